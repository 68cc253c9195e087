// A proxy that is started with few open files allowed, for few-files.test.ts.

import { silentLogger } from '@lateen/base';
import { parseBootstrap } from '../../ads/bootstrap.ts';
import { runProxy } from '../run-proxy.ts';

const bootstrap = `
overload_manager: {resource_monitors: [{name: g, typed_config: {"@type": type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig, max_active_downstream_connections: 1000000}}]}
static_resources:
  listeners:
  - name: echo
    ignore_global_conn_limit: true
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains: [{filters: [{name: echo, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}]}]
`;
const running = await runProxy({ bootstrap: parseBootstrap(bootstrap, 'test'), logger: silentLogger, appendLog() {} });
process.on('message', () => process.send?.(process.cpuUsage()));
process.on('disconnect', () => process.exit(0));
process.send?.({ port: running.proxy.addressOf('echo')?.port });
