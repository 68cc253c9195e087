import assert from 'node:assert/strict';
import test from 'node:test';
import { cluster, httpListener } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { exchangeOnce } from '../testing/wire.ts';

test('200 to a WebSocket handshake: its header fields go on, its content does not, and the connection ends', async () => {
  await onStage(async ({ upstream, apply, port, log }) => {
    const up = await upstream((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nx-up: 1\r\nset-cookie: a=b\r\ndate: d\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nabc');
    });
    const route = { match: { prefix: '/' }, route: { cluster: 'up', upgrade_configs: [{ upgrade_type: 'websocket' }] } };
    await apply({ listeners: [httpListener('in', [route])], clusters: [cluster('up', [up.port])] });
    const answer = await exchangeOnce(port(), 'GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n');
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\nx-up: 1\r\nset-cookie: a=b\r\n/);
    assert.match(answer, /content-length: 0\r\n/);
    assert.match(answer, /connection: close\r\n/);
    assert.match(answer, /\r\n\r\n$/);
    assert.doesNotMatch(answer, /content-type|date: d/);
    assert.match(log[0] ?? '', /websocket_handshake_unsuccessful/);
  });
});
