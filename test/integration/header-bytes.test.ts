// How many bytes Envoy and Lateen say that headers have, of the same messages.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { eventually, freePort } from '@lateen/base/testing';
import { ENGINES, frontListener, loopback, startEngine, staticCluster } from './two-engines.ts';

const OPERATORS = [
  'REQUEST_HEADERS_BYTES',
  'RESPONSE_HEADERS_BYTES',
  'RESPONSE_TRAILERS_BYTES',
  'DOWNSTREAM_HEADER_BYTES_RECEIVED',
  'DOWNSTREAM_WIRE_BYTES_RECEIVED',
  'UPSTREAM_HEADER_BYTES_RECEIVED',
  'UPSTREAM_WIRE_BYTES_RECEIVED',
];
// Where no time passes.
const TIMES = ['COMMON_DURATION(DS_RX_BEG:FOO)', 'COMMON_DURATION(DS_TX_END:NOTHING:us)'];

const EXCHANGES: { request: string; line: string }[] = [
  { request: 'GET /a HTTP/1.1\r\nhost: h\r\nx-one: 1\r\n\r\n', line: '114 76 0 17 38 28 49 - -' },
  { request: 'POST /b?c HTTP/1.1\r\nhost: h\r\nx-one: 1\r\ncontent-length: 3\r\n\r\nabc', line: '132 76 0 35 63 28 49 - -' },
  { request: 'GET /direct HTTP/1.1\r\nhost: h\r\n\r\n', line: '113 54 0 8 33 0 0 - -' },
];

for (const engine of ENGINES) {
  test(`${engine.name} counts the bytes of headers as Envoy does`, { skip: engine.skip }, async (t) => {
    const [admin, front, back] = [await freePort(), await freePort(), await startUpstream(t)];
    let log = '';
    startEngine(t, engine, (folder) => {
      log = join(folder, 'access.log');
      const format = [...OPERATORS, ...TIMES].map((operator) => `%${operator}%`).join(' ');
      const accessLog = {
        '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
        path: log,
        log_format: { text_format_source: { inline_string: `${format}\n` } },
      };
      const routes = [
        { match: { prefix: '/direct' }, direct_response: { status: 200 } },
        { match: { prefix: '/' }, route: { cluster: 'back' } },
      ];
      const manager = { access_log: [{ name: 'file', typed_config: accessLog }], router: { suppress_envoy_headers: true } };
      return {
        admin: loopback(admin),
        static_resources: { listeners: [frontListener(front, routes, manager)], clusters: [staticCluster('back', back)] },
      };
    });
    await eventually(() => fetch(`http://127.0.0.1:${admin}/ready`).then(({ ok }) => ok), { timeoutMs: 15_000 });
    for (const { request } of EXCHANGES) await ask(front, request);
    const lines = () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []);
    await eventually(() => lines().length === EXCHANGES.length, { timeoutMs: 15_000, intervalMs: 100 });
    assert.deepEqual(
      lines(),
      EXCHANGES.map(({ line }) => line),
    );
  });
}

async function ask(port: number, request: string): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(request);
  await once(socket, 'data');
  socket.destroy();
}

/** Answers everything with the same bytes. */
async function startUpstream(t: TestContext): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nx-two: 22\r\ncontent-length: 0\r\n\r\n'));
    t.after(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}
