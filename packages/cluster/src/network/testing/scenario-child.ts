// The node process of network.test.ts: runs every scenario and reports each.  argv: MODE FREE_HOST_PORT [OUTSIDE_HOST OUTSIDE_PORT]

import { createLogger, delay, systemClock } from '@lateen/base';
import { connectHost, createNetwork } from '../index.ts';
import { type ScenarioContext, scenarios } from './scenarios.ts';

const SCENARIO_LIMIT_MS = 60_000;
type Arguments = [
  node: string,
  script: string,
  mode: 'root' | 'rootless',
  freeHostPort: string,
  outsideHost?: string,
  outsidePort?: string,
];
const [, , mode, freeHostPort, outsideHost, outsidePort] = process.argv as Arguments;
const host = connectHost();
const network = await createNetwork({
  mode,
  reason: 'a test',
  host,
  clock: systemClock,
  logger: createLogger({ level: 'error' }),
  onApiServerConnection: (socket) => socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\napi server'),
});
const outside = outsideHost ? { host: outsideHost, port: Number(outsidePort) } : undefined;
const context: ScenarioContext = { network, host, mode, freeHostPort: Number(freeHostPort), outside };
for (const [name, scenario] of Object.entries(scenarios)) {
  const limit = delay(systemClock, SCENARIO_LIMIT_MS).then(() => Promise.reject(new Error('not done in time')));
  const failure = await Promise.race([scenario(context), limit]).then(
    () => undefined,
    (error: Error) => error.stack ?? error.message,
  );
  host.report({ name, failure });
}
await network.close();
host.close();
process.exit(0);
