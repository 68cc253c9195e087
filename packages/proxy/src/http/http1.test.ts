import assert from 'node:assert/strict';
import test from 'node:test';
import { createProxy, type Proxy as DataPlane } from '../proxy.ts';
import { cluster, httpListener, routeTo, runtimeOf } from '../testing/runtime.ts';
import { answering, exchangeOnce, ok, openWire, type RawServer, startRawServer } from '../testing/wire.ts';

// For every malformed request the upstream sees nothing, or exactly one unambiguous request, however the bytes are cut.

type Bench = { proxy: DataPlane; upstream: RawServer; port: number };

async function withBench(run: (bench: Bench) => Promise<void>): Promise<void> {
  const upstream = await startRawServer(answering(() => ok('hi')));
  const proxy = createProxy();
  try {
    await proxy.apply(runtimeOf({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [upstream.port])] }));
    await run({ proxy, upstream, port: proxy.addressOf('in')!.port });
  } finally {
    await proxy.close();
    await upstream.close();
  }
}

const upstreamBytes = (upstream: RawServer): string => upstream.received.join('');
const H = 'Host: a.test\r\n';
const get = (rest: string) => `GET / HTTP/1.1\r\n${H}${rest}\r\n`;

const REFUSED: readonly (readonly [what: string, bytes: string, status: number])[] = [
  ['content-length together with chunked', `POST / HTTP/1.1\r\n${H}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ['chunked together with content-length', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n`, 400],
  ['two equal content-lengths', `POST / HTTP/1.1\r\n${H}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`, 400],
  ['two different content-lengths', `POST / HTTP/1.1\r\n${H}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`, 400],
  ['a list as content-length', `POST / HTTP/1.1\r\n${H}Content-Length: 3, 3\r\n\r\nabc`, 400],
  ['a signed content-length', `POST / HTTP/1.1\r\n${H}Content-Length: +3\r\n\r\nabc`, 400],
  ['a negative content-length', `POST / HTTP/1.1\r\n${H}Content-Length: -1\r\n\r\n`, 400],
  ['a hexadecimal content-length', `POST / HTTP/1.1\r\n${H}Content-Length: 0x3\r\n\r\nabc`, 400],
  ['an empty content-length', `POST / HTTP/1.1\r\n${H}Content-Length:\r\n\r\n`, 400],
  ['a huge content-length', `POST / HTTP/1.1\r\n${H}Content-Length: 99999999999999999999\r\n\r\n`, 400],
  ['an unknown transfer coding', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: gzip\r\n\r\n`, 501],
  ['gzip before chunked', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 501],
  ['chunked twice', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`, 501],
  ['chunked on two lines', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 501],
  ['an empty element before chunked', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n`, 501],
  ['identity', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: identity\r\n\r\n`, 501],
  ['identity before chunked', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n`, 501],
  ['a transfer coding on HTTP/1.0', `POST / HTTP/1.0\r\n${H}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ['a vertical tab before chunked', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`, 400],
  ['a bare LF after the request line', `GET / HTTP/1.1\n${H}\r\n`, 400],
  ['a bare LF after a header', 'GET / HTTP/1.1\r\nHost: a.test\n\r\n', 400],
  ['bare LFs only', 'GET / HTTP/1.1\nHost: a.test\n\n', 400],
  ['a bare CR in a value', get('X: a\rb\r\n'), 400],
  ['a NUL in a value', get('X: a\0b\r\n'), 400],
  ['a NUL in the target', `GET /\0 HTTP/1.1\r\n${H}\r\n`, 400],
  ['a DEL in a value', get('X: a\x7fb\r\n'), 400],
  ['a folded header', get('X: a\r\n b\r\n'), 400],
  ['white space before the first header', `GET / HTTP/1.1\r\n ${H}\r\n`, 400],
  ['a space before the colon', get('X : a\r\n'), 400],
  ['a tab before the colon', get('Transfer-Encoding\t: chunked\r\n'), 400],
  ['a header without colon', get('Xa\r\n'), 400],
  ['a header without name', get(': a\r\n'), 400],
  ['a space in a name', get('X Y: a\r\n'), 400],
  ['a parenthesis in a name', get('X(: a\r\n'), 400],
  ['a byte above 0x7f in a name', get('X\xe9: a\r\n'), 400],
  ['two spaces after the method', `GET  / HTTP/1.1\r\n${H}\r\n`, 400],
  ['two spaces before the version', `GET /  HTTP/1.1\r\n${H}\r\n`, 400],
  ['a tab in the request line', `GET\t/ HTTP/1.1\r\n${H}\r\n`, 400],
  ['a space at the end of the request line', `GET / HTTP/1.1 \r\n${H}\r\n`, 400],
  ['a space before the method', ` GET / HTTP/1.1\r\n${H}\r\n`, 400],
  ['no version (HTTP/0.9)', 'GET /\r\n\r\n', 400],
  ['version 2.0', `GET / HTTP/2.0\r\n${H}\r\n`, 505],
  ['version 1.2', `GET / HTTP/1.2\r\n${H}\r\n`, 505],
  ['version 1.10', `GET / HTTP/1.10\r\n${H}\r\n`, 400],
  ['lower-case http', `GET / http/1.1\r\n${H}\r\n`, 400],
  ['a byte above 0x7f in the target', `GET /\xe9 HTTP/1.1\r\n${H}\r\n`, 400],
  ['an encoded NUL in the path', `GET /a%00b HTTP/1.1\r\n${H}\r\n`, 400],
  ['a target that is neither path nor URL', `GET a HTTP/1.1\r\n${H}\r\n`, 400],
  ['an absolute URL of another scheme', `GET ftp://a.test/ HTTP/1.1\r\n${H}\r\n`, 400],
  ['an absolute URL with user info', `GET http://u@a.test/ HTTP/1.1\r\n${H}\r\n`, 400],
  ['an absolute URL without host', `GET http:///a HTTP/1.1\r\n${H}\r\n`, 400],
  ['* for GET', `GET * HTTP/1.1\r\n${H}\r\n`, 400],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400],
  ['two Hosts', `GET / HTTP/1.1\r\n${H}Host: b.test\r\n\r\n`, 400],
  ['two equal Hosts', `GET / HTTP/1.1\r\n${H}${H}\r\n`, 400],
  ['a Host with a path', 'GET / HTTP/1.1\r\nHost: a.test/b\r\n\r\n', 400],
  ['a Host with user info', 'GET / HTTP/1.1\r\nHost: u@a.test\r\n\r\n', 400],
  ['a Host with a space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 400],
  ['a list of Hosts', 'GET / HTTP/1.1\r\nHost: a.test,\tb.test\r\n\r\n', 400],
  ['Connection naming Host', get('Connection: host\r\n'), 400],
  ['Connection naming a forwarding header', get('Connection: x-forwarded-for\r\n'), 400],
  ['CONNECT', `CONNECT a.test:80 HTTP/1.1\r\n${H}\r\n`, 404],
  ['OPTIONS * without a rule for it', `OPTIONS * HTTP/1.1\r\n${H}\r\n`, 404],
  ['HTTP/1.0', `GET / HTTP/1.0\r\n${H}\r\n`, 426],
  ['an upgrade that is not configured', get('Connection: upgrade\r\nUpgrade: websocket\r\n'), 403],
  ['a TLS client hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ['an unknown method', `BREW / HTTP/1.1\r\n${H}\r\n`, 400],
  ['endless empty lines', '\r\n'.repeat(17), 400],
  ['CR without LF before the request line', `\rGET / HTTP/1.1\r\n${H}\r\n`, 400],
  ['LF before the request line', `\nGET / HTTP/1.1\r\n${H}\r\n`, 400],
];

test('each malformed request is refused with its status, and no byte of it reaches the upstream', async (t) => {
  await withBench(async ({ upstream, port }) => {
    for (const [what, bytes, status] of REFUSED) {
      await t.test(what, async () => {
        const wire = await openWire(port);
        wire.send(Buffer.from(bytes, 'latin1'));
        const answer = await wire.expect('\r\n\r\n');
        wire.close();
        assert.ok(answer.startsWith(`HTTP/1.1 ${status} `), `${what}: ${answer}`);
        assert.equal(upstreamBytes(upstream), '', what);
      });
    }
  });
});

test('refusals are the same when the bytes come one by one', async (t) => {
  await withBench(async ({ upstream, port }) => {
    for (const [what, bytes, status] of REFUSED) {
      await t.test(what, async () => {
        const wire = await openWire(port);
        for (const byte of Buffer.from(bytes, 'latin1')) {
          wire.send(Buffer.of(byte));
          await new Promise((next) => setImmediate(next));
        }
        const answer = await wire.expect('\r\n\r\n');
        wire.close();
        assert.ok(answer.startsWith(`HTTP/1.1 ${status} `), `${what}: ${answer}`);
        assert.equal(upstreamBytes(upstream), '', what);
      });
    }
  });
});

const BAD_CHUNKS: readonly (readonly [what: string, chunks: string])[] = [
  ['no digit', 'x\r\n'],
  ['an empty size', '\r\n'],
  ['a size with 0x', '0x3\r\nabc\r\n0\r\n\r\n'],
  ['a signed size', '+3\r\nabc\r\n0\r\n\r\n'],
  ['a huge size', '11111111111111111\r\n'],
  ['a bare LF after the size', '3\nabc\r\n0\r\n\r\n'],
  ['a bare LF in an extension', '3;a\nabc\r\n0\r\n\r\n'],
  ['data longer than its size', '3\r\nabcd\r\n0\r\n\r\n'],
  ['a bare LF after the data', '3\r\nabc\n0\r\n\r\n'],
  ['an endless extension', `3;${'a'.repeat(5000)}\r\nabc\r\n0\r\n\r\n`],
  ['a broken trailer', '3\r\nabc\r\n0\r\nx y\r\n\r\n'],
];

test('a broken chunk ends the connection, and the upstream never sees a second request', async (t) => {
  await withBench(async ({ upstream, port }) => {
    for (const [what, chunks] of BAD_CHUNKS) {
      await t.test(what, async () => {
        upstream.received.length = 0;
        const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n';
        await exchangeOnce(port, `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n${chunks}${smuggled}`);
        const seen = upstreamBytes(upstream);
        assert.ok(!/\n(?:GET|POST) \//.test(seen), `${what}: ${seen}`);
        assert.ok(!seen.endsWith('0\r\n\r\n'), `${what}: the upstream took it for complete: ${seen}`);
      });
    }
  });
});

const ACCEPTED: readonly (readonly [what: string, bytes: string, upstream: RegExp])[] = [
  ['an empty line first', `\r\nGET /e HTTP/1.1\r\n${H}\r\n`, /^GET \/e HTTP\/1\.1\r\nhost: a\.test\r\n/],
  ['white space around a value', get('X:   a b  \r\n'), /\r\nx: a b\r\n/],
  ['no white space before a value', get('X:a\r\n'), /\r\nx: a\r\n/],
  ['an empty value', get('X:\r\n'), /\r\nx: \r\n/],
  ['names in any case', get('UPPER: 1\r\n'), /\r\nupper: 1\r\n/],
  ['bytes above 0x7f in a value', get('X: \xe9\r\n'), /\r\nx: \xe9\r\n/],
  [
    'the authority of an absolute URL instead of Host',
    `GET http://B.test/p?q HTTP/1.1\r\n${H}\r\n`,
    /^GET \/p\?q HTTP\/1\.1\r\n(?:.*\r\n)*host: B\.test\r\n/,
  ],
  ['dot segments', `GET /a/./b/../c HTTP/1.1\r\n${H}\r\n`, /^GET \/a\/\.\/b\/\.\.\/c /],
  [
    'hop-by-hop fields removed',
    get('Connection: keep-alive, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\n'),
    /^(?![\s\S]*x-secret)(?![\s\S]*keep-alive)(?![\s\S]*proxy-connection)/,
  ],
  ['TE: trailers kept, others not', get('TE: gzip, trailers\r\n'), /\r\nte: trailers\r\n/],
  [
    'an upgrade to h2c ignored',
    get('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n'),
    /^(?![\s\S]*h2c)(?![\s\S]*http2-settings)/,
  ],
];

for (const cut of ['whole', 'byte by byte'] as const) {
  test(`odd but legal requests arrive upstream as one canonical request (${cut})`, async (t) => {
    await withBench(async ({ upstream, port }) => {
      for (const [what, bytes, expected] of ACCEPTED) {
        await t.test(what, async () => {
          const before = upstreamBytes(upstream).length;
          const wire = await openWire(port);
          if (cut === 'whole') wire.send(Buffer.from(bytes, 'latin1'));
          else {
            for (const byte of Buffer.from(bytes, 'latin1')) {
              wire.send(Buffer.of(byte));
              await new Promise((next) => setImmediate(next));
            }
          }
          await wire.expect('\r\n\r\nhi');
          wire.close();
          assert.match(upstreamBytes(upstream).slice(before), expected, what);
        });
      }
    });
  });
}

test('heads over the limits get 431 and close', async () => {
  await withBench(async ({ upstream, port }) => {
    const tooLong = await exchangeOnce(port, get(`X: ${'a'.repeat(61 * 1024)}\r\n`));
    assert.match(tooLong, /^HTTP\/1\.1 431 /);
    const tooMany = await exchangeOnce(port, get('X: a\r\n'.repeat(100)));
    assert.match(tooMany, /^HTTP\/1\.1 431 /);
    assert.equal(upstreamBytes(upstream), '');
    const wire = await openWire(port);
    wire.send(get('X: a\r\n'.repeat(99)));
    await wire.expect('200 OK');
    wire.close();
  });
});

test('pipelined requests are answered one after the other, in order', async () => {
  const upstream = await startRawServer(answering((request) => ok(request.split(' ')[1] as string)));
  const proxy = createProxy();
  try {
    await proxy.apply(runtimeOf({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [upstream.port])] }));
    const wire = await openWire(proxy.addressOf('in')!.port);
    wire.send(Array.from({ length: 20 }, (_, i) => `GET /r${i} HTTP/1.1\r\n${H}\r\n`).join(''));
    const answer = await wire.expect('/r19');
    assert.deepEqual(
      [...answer.matchAll(/\r\n\r\n(\/r\d+)/g)].map((match) => match[1]),
      Array.from({ length: 20 }, (_, i) => `/r${i}`),
    );
    assert.equal(upstream.received.length, 1, 'one upstream connection serves them all');
    wire.close();
  } finally {
    await proxy.close();
    await upstream.close();
  }
});
