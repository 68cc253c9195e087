import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@lateen/base';
import { eventually } from '@lateen/base/testing';
import { createHostTransport } from '../io/host-transport.ts';
import { openWire } from '../testing/wire.ts';
import { serveEndpoint } from './http-endpoint.ts';

const ASK = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

test('closing ends idle connections at once and others with their answer', async () => {
  let answer = () => {};
  let asked = 0;
  const endpoint = await serveEndpoint({
    transport: createHostTransport(),
    address: { host: '127.0.0.1', port: 0 },
    logger: silentLogger,
    handle: async () => {
      asked++;
      if (asked === 2) {
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
      }
      return { status: 200, body: 'done' };
    },
  });
  const [idle, busy] = [await openWire(endpoint.address.port), await openWire(endpoint.address.port)];
  idle.send(ASK);
  await idle.expect('done');
  busy.send(ASK);
  await eventually(() => assert.equal(asked, 2));
  await endpoint.close();
  await eventually(() => assert.ok(idle.isClosed()), { timeoutMs: 500 });
  assert.equal(busy.isClosed(), false);
  answer();
  assert.match(await busy.closed(), /^HTTP\/1\.1 200 OK\r\n.*done$/s);
  idle.close();
  busy.close();
});
