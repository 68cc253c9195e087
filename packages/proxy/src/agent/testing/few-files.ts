// A proxy that is started with few open files allowed, for few-files.test.ts.

import { silentLogger } from '@lateen/base';
import { bootstrapOf, connectionLimit } from '../../testing/bootstrap.ts';
import { echoListener } from '../../testing/runtime.ts';
import { runProxy } from '../run-proxy.ts';

const bootstrap = bootstrapOf({ listeners: [echoListener('echo', { ignore_global_conn_limit: true })] }, connectionLimit(1_000_000));
const running = await runProxy({ bootstrap, logger: silentLogger, appendLog() {} });
process.on('message', () => process.send?.(process.cpuUsage()));
process.on('disconnect', () => process.exit(0));
process.send?.({ port: running.proxy.addressOf('echo')?.port });
