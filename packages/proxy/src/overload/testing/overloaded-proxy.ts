// A proxy in a process of its own whose heap is filled on command, for overload.process.test.ts.

import { getHeapStatistics } from 'node:v8';
import { delay, silentLogger, systemClock } from '@lateen/base';
import { parseBootstrap } from '../../ads/bootstrap.ts';
import { runProxy } from '../../agent/run-proxy.ts';
import { readHeap } from '../heap.ts';

const bootstrap = `
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:
  - name: front
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          route_config: {name: r, virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: ok}}}]}]}
          http_filters: [{name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
`;
const running = await runProxy({ bootstrap: parseBootstrap(bootstrap, 'test'), logger: silentLogger, appendLog() {} });
const { limitBytes } = readHeap(undefined)();
let ballast: number[][] = [];

// V8 gives a process up when collections near the limit follow each other too closely: it is filled slowly, as traffic would.
async function fill(fraction: number): Promise<void> {
  if (fraction === 0) ballast = [];
  const isFull = () => getHeapStatistics().used_heap_size >= fraction * limitBytes;
  do {
    while (!isFull()) ballast.push(new Array<number>(16_384).fill(1));
    await delay(systemClock, 500);
    globalThis.gc?.();
  } while (!isFull());
  process.send?.({ filled: fraction });
}

process.on('message', (fraction: number) => void fill(fraction));
process.on('disconnect', () => process.exit(0));
process.send?.({ port: running.proxy.addressOf('front')?.port, adminPort: running.adminAddress?.port });
