import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { eventually } from '@lateen/base/testing';
import type { ProxyObserver } from '../http/observer.ts';
import { any, cluster, httpListener, ROUTER, routeTo } from '../testing/runtime.ts';
import { onStage, type Stage } from '../testing/stage.ts';
import { openWire } from '../testing/wire.ts';

const GRPC_WEB: JsonObject = {
  name: 'envoy.filters.http.grpc_web',
  typed_config: any('envoy.extensions.filters.http.grpc_web.v3.GrpcWeb'),
};
const DELAY: JsonObject = {
  name: 'envoy.filters.http.fault',
  typed_config: any('envoy.extensions.filters.http.fault.v3.HTTPFault', {
    delay: { fixed_delay: '0.05s', percentage: { numerator: 100 } },
  }),
};
const HTTP2 = { http2_protocol_options: {} };
const frame = (payload: string) => `\0\0\0\0${String.fromCharCode(payload.length)}${payload}`;
const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64');
const TRAILERS = '\x80\0\0\0\x0fgrpc-status:0\r\n';

type Seen = { stream: ServerHttp2Stream; headers: Record<string, unknown>; body: string };

/** A gRPC server in HTTP/2; `answer` is called when a request has ended, or at its head. */
async function startGrpc(answer: (seen: Seen) => void | Promise<void>, when: 'head' | 'end' = 'end') {
  const server = createServer();
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session));
  const all: Seen[] = [];
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const seen: Seen = { stream, headers, body: '' };
    all.push(seen);
    stream.on('error', () => {});
    stream.setEncoding('latin1');
    stream.on('data', (text: string) => {
      seen.body += text;
    });
    if (when === 'head') void answer(seen);
    else stream.on('end', () => void answer(seen));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    seen: all,
    async close() {
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const GRPC_HEAD = { ':status': 200, 'content-type': 'application/grpc' };

/** Answers with these pieces of a body, each by itself, then grpc-status 0. */
const replying =
  (pieces: readonly string[]) =>
  async ({ stream }: Seen): Promise<void> => {
    stream.respond(GRPC_HEAD, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    for (const piece of pieces) {
      stream.write(piece, 'latin1');
      await new Promise((next) => setImmediate(next));
    }
    stream.end();
  };

async function onGrpc(
  answer: (seen: Seen) => void | Promise<void>,
  run: (stage: Stage, server: Awaited<ReturnType<typeof startGrpc>>) => Promise<void>,
  options: { filters?: JsonObject[]; when?: 'head' | 'end'; counted?: Map<string, number> } = {},
): Promise<void> {
  const server = await startGrpc(answer, options.when);
  const log: string[] = [];
  const observer: ProxyObserver = {
    http: () => ({
      connectionOpened() {},
      connectionClosed() {},
      requestStarted() {},
      count: (name, by = 1) => void options.counted?.set(name, (options.counted.get(name) ?? 0) + by),
      finish: (record) => void log.push(`${record.responseCode} ${record.responseCodeDetails} ${record.bytesReceived} ${record.bytesSent}`),
    }),
    tcp: () => ({ connectionOpened() {}, finish() {} }),
  };
  try {
    await onStage(
      async (stage) => {
        const filters = options.filters ?? [GRPC_WEB];
        await stage.apply({
          listeners: [httpListener('in', [routeTo('up')], { http_filters: [...filters, ROUTER] })],
          clusters: [cluster('up', [server.port], HTTP2)],
        });
        await run({ ...stage, log }, server);
      },
      { observer },
    );
  } finally {
    await server.close();
  }
}

const head = (lengthBytes: number, accept = '', type = 'application/grpc-web-text') =>
  `POST /pkg.S/M HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: ${type}\r\n${accept && `accept: ${accept}\r\n`}content-length: ${lengthBytes}\r\n\r\n`;

/** The body of a chunked answer. */
function bodyOf(answer: string): string {
  let body = '';
  let at = answer.indexOf('\r\n\r\n') + 4;
  for (;;) {
    const lineEnd = answer.indexOf('\r\n', at);
    const size = Number.parseInt(answer.slice(at, lineEnd), 16);
    if (!(size > 0)) return body;
    body += answer.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 4 + size;
  }
}

test('a text request and its answer pass byte by byte', async () => {
  const sent = base64(frame('hello')) + base64(frame('you'));
  const reply = frame('one') + frame('') + frame('three');
  await onGrpc(replying(reply.split('')), async ({ port, log }, server) => {
    const wire = await openWire(port());
    for (const byte of head(sent.length, 'application/grpc-web-text') + sent) {
      wire.send(byte);
      await new Promise((next) => setImmediate(next));
    }
    const answer = await wire.closed();
    assert.equal(server.seen[0]?.body, frame('hello') + frame('you'));
    const { headers } = server.seen[0]!;
    assert.deepEqual(
      [headers['content-type'], headers['te'], headers['content-length'], headers['grpc-accept-encoding']],
      ['application/grpc', 'trailers', undefined, 'identity'],
    );
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*content-type: application\/grpc-web-text\+proto\r\n/);
    const expected = base64(frame('one')) + base64(frame('')) + base64(frame('three')) + base64(TRAILERS);
    assert.equal(bodyOf(answer), expected);
    await eventually(() => log.length === 1);
    assert.equal(log[0], `200 via_upstream ${sent.length} ${expected.length}`);
    wire.close();
  });
});

test('a message reaches the client before the next one is there', async () => {
  let next = () => {};
  const answer = ({ stream }: Seen): void => {
    stream.respond(GRPC_HEAD, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.write(frame('first'), 'latin1');
    next = () => stream.end(frame('second'), 'latin1');
  };
  await onGrpc(answer, async ({ port }) => {
    const wire = await openWire(port());
    wire.send(head(0, 'application/grpc-web-text'));
    await wire.expect(base64(frame('first')));
    next();
    assert.equal(bodyOf(await wire.closed()), base64(frame('first')) + base64(frame('second')) + base64(TRAILERS));
    wire.close();
  });
});

test('a text answer without trailers ends, also in the middle of a message', async () => {
  const body = frame('cut').slice(0, 7);
  await onGrpc(
    ({ stream }) => {
      stream.respond(GRPC_HEAD);
      stream.end(body, 'latin1');
    },
    async ({ port }) => {
      const wire = await openWire(port());
      wire.send(head(0, 'application/grpc-web-text'));
      const answer = await wire.closed();
      assert.equal(bodyOf(answer), base64(body));
      assert.match(answer, /\r\n0\r\n\r\n$/);
      wire.close();
    },
  );
});

test('binary answers pass as they are, with their trailers behind', async () => {
  const body = frame('x');
  await onGrpc(replying([body]), async ({ port }) => {
    const wire = await openWire(port());
    wire.send(head(body.length, '', 'application/grpc-web') + body);
    assert.equal(bodyOf(await wire.closed()), body + TRAILERS);
    wire.close();
  });
});

test('what was held while a later filter stopped the request is decoded, too', async () => {
  const sent = base64(frame('hello'));
  for (const filters of [
    [GRPC_WEB, DELAY],
    [DELAY, GRPC_WEB],
  ]) {
    await onGrpc(
      replying([]),
      async ({ port }, server) => {
        const wire = await openWire(port());
        wire.send(head(sent.length) + sent.slice(0, 6));
        await new Promise((next) => setTimeout(next, 10));
        wire.send(sent.slice(6));
        await wire.closed();
        assert.equal(server.seen[0]?.body, frame('hello'));
        wire.close();
      },
      { filters },
    );
  }
});

for (const [name, filters] of [
  ['alone', [GRPC_WEB]],
  ['behind a delay', [DELAY, GRPC_WEB]],
] as const) {
  for (const [what, body, details] of [
    ['an alien letter', 'AAAA*AAA', 'grpc_base_64_decode_failed'],
    ['an incomplete quantum', 'AAAAAA', 'grpc_base_64_decode_failed_bad_size'],
  ] as const) {
    test(`base64 with ${what}, ${name}, gets 400 as gRPC-Web and reaches nobody complete`, async () => {
      await onGrpc(
        replying([]),
        async ({ port, log }, server) => {
          const wire = await openWire(port());
          wire.send(head(body.length) + body);
          const answer = await wire.closed();
          assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/);
          assert.match(answer, /content-type: application\/grpc-web\+proto\r\n/);
          assert.match(answer, /grpc-message: Bad gRPC-web request, invalid base64 data\.\r\ngrpc-status: 13\r\ncontent-length: 0\r\n/);
          assert.equal(log[0], `400 ${details} ${body.length} 0`);
          assert.equal(server.seen.length, 0);
          wire.close();
        },
        { filters: [...filters] },
      );
    });
  }
}

test('bad base64 after the answer has begun breaks the stream off', async () => {
  const answer = ({ stream }: Seen): void => {
    stream.respond(GRPC_HEAD);
    stream.write(frame('early'), 'latin1');
  };
  await onGrpc(
    answer,
    async ({ port, log }, server) => {
      const wire = await openWire(port());
      wire.send(`${head(100)}AAAA`);
      await wire.expect('early');
      wire.send('****');
      assert.doesNotMatch(await wire.closed(), /\r\n0\r\n/);
      assert.match(log[0]!, /^200 grpc_base_64_decode_failed /);
      await eventually(() => server.seen[0]!.stream.destroyed);
      wire.close();
    },
    { when: 'head' },
  );
});

test('a long foreign answer becomes a message of at most 16 KiB', async () => {
  const answer = ({ stream }: Seen): void => {
    stream.respond({ ':status': 502, 'content-type': 'text/html', 'content-length': String(1024 * 1024) });
    stream.end('x'.repeat(1024 * 1024));
  };
  await onGrpc(answer, async ({ port, log }) => {
    const wire = await openWire(port());
    wire.send(head(0));
    const text = await wire.closed();
    assert.match(text, /^HTTP\/1\.1 502 /);
    assert.match(text, /grpc-status: 14\r\n/);
    assert.equal(/grpc-message: (x*)\r\n/.exec(text)?.[1]?.length, 16 * 1024);
    await eventually(() => log.length === 1);
    assert.equal(log[0], '502 via_upstream 0 0');
    wire.close();
  });
});

test('methods are counted by status under the cluster, a thousand at most', async () => {
  const counted = new Map<string, number>();
  const answer = ({ stream, headers }: Seen): void => {
    const status = String(headers['x-status'] ?? '0');
    stream.respond({ ...GRPC_HEAD, 'grpc-status': status }, { endStream: true });
  };
  await onGrpc(
    answer,
    async ({ port }) => {
      const wire = await openWire(port());
      let sent = 0;
      const send = (path: string, more = '') => {
        sent++;
        wire.send(`POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc-web\r\n${more}content-length: 0\r\n\r\n`);
      };
      const answered = () => eventually(() => wire.text().split('HTTP/1.1 200').length === sent + 1, { timeoutMs: 5000, intervalMs: 5 });
      send('/pkg.S/M');
      send('/pkg.S/M?q', 'x-status: 5\r\n');
      send('/pkg.S/M', 'x-status: ?\r\n');
      send('/not/a/method');
      send('/word');
      await answered();
      assert.deepEqual(Object.fromEntries(counted), {
        'cluster.up.grpc-web.pkg.S.M.0': 1,
        'cluster.up.grpc-web.pkg.S.M.5': 1,
        'cluster.up.grpc-web.pkg.S.M.success': 1,
        'cluster.up.grpc-web.pkg.S.M.failure': 2,
        'cluster.up.grpc-web.pkg.S.M.total': 3,
      });
      for (let i = 0; i < 1010; i++) send(`/s/m${i}`);
      await answered();
      assert.equal([...counted.keys()].filter((name) => name.endsWith('.total')).length, 1000);
      wire.close();
    },
    { counted },
  );
});
