import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@lateen/base';
import { eventually } from '@lateen/base/testing';
import { runProxy } from '../agent/run-proxy.ts';
import { bootstrapOf } from '../testing/bootstrap.ts';
import { httpListener } from '../testing/runtime.ts';
import { openWire, type Wire } from '../testing/wire.ts';

const HELLO = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

const ENDS: readonly (readonly [name: string, act: (wire: Wire) => Promise<void> | void, counted: string])[] = [
  [
    'the client closes what is idle',
    async (wire) => {
      wire.send(HELLO);
      await wire.expect('200 OK');
      wire.socket.end();
    },
    'remote=1',
  ],
  [
    'the client leaves within a head',
    async (wire) => {
      wire.send('GET / HT');
      await new Promise((resolve) => setTimeout(resolve, 20));
      wire.socket.end();
    },
    'active_rq=1 remote=1 remote_active_rq=1',
  ],
  [
    'the answer comes before the whole request',
    (wire) => wire.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc'),
    'local=1',
  ],
  ['the answer is the last', (wire) => wire.send(HELLO.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n')), 'local=1'],
  ['what came is no HTTP', (wire) => wire.send('BAD\r\n\r\n'), 'local=1'],
  ['the client leaves without a word', (wire) => void wire.socket.end(), 'remote=1'],
  ['the client says nothing', () => {}, 'local=1'],
];
for (const [name, act, counted] of ENDS) {
  test(`connections are counted by how they end: ${name}`, async (t) => {
    const options = { common_http_protocol_options: { idle_timeout: '0.3s' } };
    const listener = httpListener('front', [{ match: { prefix: '/' }, direct_response: { status: 200 } }], options);
    const running = await runProxy({ bootstrap: bootstrapOf({ listeners: [listener] }), logger: silentLogger, appendLog() {} });
    t.after(() => running.close());
    const wire = await openWire(running.proxy.addressOf('front')?.port ?? 0);
    await act(wire);
    void wire.closed().then(() => wire.socket.end());
    await eventually(async () => {
      const stats = await (await fetch(`http://127.0.0.1:${running.adminAddress?.port}/stats?usedonly`)).text();
      const found = [...stats.matchAll(/^http\.front\.downstream_cx_destroy_(\w+): (\d+)$/gm)].map(([, end, count]) => `${end}=${count}`);
      assert.deepEqual(found.join(' '), counted);
      assert.match(stats, /^http\.front\.downstream_cx_total: 1$/m);
    });
  });
}
