import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createProxy } from '../proxy.ts';
import { httpListener, runtimeOf } from '../testing/runtime.ts';
import { exchangeOnce } from '../testing/wire.ts';

const refused: [string, string][] = [
  ['too large', `GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(70_000)}\r\n\r\n`],
  ['too many', `GET / HTTP/1.1\r\nHost: a\r\n${'X-A: b\r\n'.repeat(200)}\r\n`],
  ['malformed', 'GET / HTTP/1.1\r\nHost: a\r\nbad line\r\n\r\n'],
  ['not HTTP', '\x16\x03\x01\x02\x00'],
];

for (const [name, text] of refused) {
  test(`a refused head shows nothing of other requests: ${name}`, async () => {
    const seen: (string | undefined)[] = [];
    const proxy = createProxy({
      observer: {
        http: () => ({
          connectionOpened() {},
          connectionClosed() {},
          requestStarted() {},
          finish: (record) => void seen.push(record.requestHeader('x-secret') ?? record.requestHeader('cookie')),
        }),
        tcp: () => ({ connectionOpened() {}, finish() {} }),
      },
    });
    try {
      await proxy.apply(runtimeOf({ listeners: [httpListener('in', [{ match: { prefix: '/' }, direct_response: { status: 200 } }])] }));
      const { port } = proxy.addressOf('in')!;
      await exchangeOnce(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Secret: mine\r\nCookie: c=1\r\n\r\n');
      await exchangeOnce(port, text);
      assert.deepEqual(seen, ['mine', undefined]);
    } finally {
      await proxy.close();
    }
  });
}
