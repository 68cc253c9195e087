import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect, createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { eventually } from '@lateen/base/testing';
import { cluster, httpListener, routeTo } from '../testing/runtime.ts';
import { onStage, type Stage } from '../testing/stage.ts';
import { openWire } from '../testing/wire.ts';
import { fields, frame } from './testing/frames.ts';
import { acceptOf } from './websocket.ts';

// WebSockets pass between HTTP/1.1 (Upgrade) and HTTP/2 (extended CONNECT, RFC 8441) in every combination.

const WEBSOCKET = { upgrade_configs: [{ upgrade_type: 'websocket' }], http2_protocol_options: { allow_connect: true } };
const H2_CLUSTER = { http2_protocol_options: { allow_connect: true } };
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

async function startHttp2(onStream: (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void) {
  const server = createServer({ settings: { enableConnectProtocol: true } });
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {});
    onStream(stream, headers);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

async function onClient(port: number, run: (client: ClientHttp2Session) => Promise<void>): Promise<void> {
  const client = connect(`http://127.0.0.1:${port}`);
  client.on('error', () => {});
  await once(client, 'remoteSettings');
  try {
    await run(client);
  } finally {
    client.destroy();
  }
}

const ask = (client: ClientHttp2Session, path = '/chat') =>
  client.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': path, ':scheme': 'http', ':authority': 'a.test' });

/** Answers an upgrade and then echoes. */
const echoing = (socket: { write(text: string): void }, received: string): void => {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return;
  const key = /sec-websocket-key: (.*)\r\n/i.exec(received)?.[1] ?? '';
  const rest = received.slice(end + 4);
  if (rest === '') {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${acceptOf(key)}\r\n\r\n`,
    );
  } else if (rest.endsWith('!')) socket.write(`echo ${rest}`);
};

test('the accept value is that of RFC 6455', () => assert.equal(acceptOf(KEY), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='));

test('HTTP/2 client, HTTP/1.1 upstream', async () => {
  await onStage(async (stage) => {
    const upstream = await stage.upstream(echoing);
    const listeners = [httpListener('in', [routeTo('up')], { codec_type: 'HTTP2', ...WEBSOCKET })];
    await stage.apply({ listeners, clusters: [cluster('up', [upstream.port])] });
    await onClient(stage.port(), async (client) => {
      const stream = ask(client);
      // Sent before the answer: must not reach the upstream before its 101.
      stream.write('early ');
      const [headers] = await once(stream, 'response');
      assert.equal(headers[':status'], 200);
      assert.equal(headers['sec-websocket-accept'], undefined);
      stream.write('late!');
      stream.setEncoding('latin1');
      const [answer] = await once(stream, 'data');
      assert.equal(answer, 'echo early late!');
      const [head] = upstream.received[0]!.split('\r\n\r\n');
      assert.match(head!, /^GET \/chat HTTP\/1\.1\r\n/);
      assert.match(head!, /\r\nupgrade: websocket(\r\n|$)/);
      assert.match(head!, /\r\nsec-websocket-key: [A-Za-z0-9+/]{22}==(\r\n|$)/);
      assert.doesNotMatch(head!, /:protocol|content-length|transfer-encoding/);
      stream.close();
    });
  });
});

test('HTTP/1.1 client, HTTP/2 upstream', async () => {
  const seen: Record<string, unknown>[] = [];
  const upstream = await startHttp2((stream, headers) => {
    seen.push(headers);
    stream.respond({ ':status': 200 });
    stream.on('data', (bytes: Buffer) => stream.write(`echo ${bytes}`));
    stream.on('end', () => stream.end());
  });
  try {
    await onStage(async (stage) => {
      const clusters = [cluster('up', [upstream.port], H2_CLUSTER)];
      await stage.apply({ listeners: [httpListener('in', [routeTo('up')], WEBSOCKET)], clusters });
      const wire = await openWire(stage.port());
      wire.send(`GET /chat HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ${KEY}\r\n\r\n`);
      const head = await wire.expect('\r\n\r\n');
      assert.match(head, /^HTTP\/1\.1 101 /);
      assert.match(head, /\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/);
      assert.match(head, /\r\nupgrade: websocket\r\n/);
      wire.send('hello');
      await wire.expect('echo hello');
      wire.socket.end();
      await wire.closed();
      assert.equal(seen[0]![':method'], 'CONNECT');
      assert.equal(seen[0]![':protocol'], 'websocket');
      assert.equal(seen[0]![':path'], '/chat');
      wire.close();
    });
  } finally {
    await upstream.close();
  }
});

test('what an HTTP/2 upstream says together with its answer belongs to the tunnel', async () => {
  await onStage(async (stage) => {
    const upstream = await stage.upstream((socket, text) => {
      if (text.length < 30) return;
      const answer = [frame(4, 0, 0), frame(1, 4, 1, fields([':status', '200'])), frame(0, 0, 1, 'first '), frame(0, 0, 1, 'second')];
      if (socket.bytesWritten === 0) socket.write(Buffer.concat(answer));
    });
    await stage.apply({
      listeners: [httpListener('in', [routeTo('up')], WEBSOCKET)],
      clusters: [cluster('up', [upstream.port], H2_CLUSTER)],
    });
    const wire = await openWire(stage.port());
    wire.send(`GET /chat HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ${KEY}\r\n\r\n`);
    assert.match(await wire.expect('second'), /\r\n\r\nfirst second$/);
    wire.close();
  });
});

test('HTTP/2 on both sides', async () => {
  const upstream = await startHttp2((stream) => {
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  });
  try {
    await onStage(async (stage) => {
      const listeners = [httpListener('in', [routeTo('up')], { codec_type: 'HTTP2', ...WEBSOCKET })];
      await stage.apply({ listeners, clusters: [cluster('up', [upstream.port], H2_CLUSTER)] });
      await onClient(stage.port(), async (client) => {
        const stream = ask(client);
        const [headers] = await once(stream, 'response');
        assert.equal(headers[':status'], 200);
        const parts: Buffer[] = [];
        stream.on('data', (bytes: Buffer) => parts.push(bytes));
        stream.end(Buffer.alloc(300_000, 'w'));
        await once(stream, 'end');
        assert.equal(Buffer.concat(parts).length, 300_000);
      });
    });
  } finally {
    await upstream.close();
  }
});

test('an upgrade that the upstream declines is an ordinary answer', async () => {
  await onStage(async (stage) => {
    const upstream = await stage.upstream((socket, text) => {
      if (text.includes('\r\n\r\n')) socket.write('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno');
    });
    const listeners = [httpListener('in', [routeTo('up')], { codec_type: 'HTTP2', ...WEBSOCKET })];
    await stage.apply({ listeners, clusters: [cluster('up', [upstream.port])] });
    await onClient(stage.port(), async (client) => {
      const stream = ask(client);
      const [headers] = await once(stream, 'response');
      assert.equal(headers[':status'], 403);
      stream.resume();
      await once(stream, 'close');
    });
  });
});

test('extended CONNECT is refused where it was not offered', async () => {
  await onStage(async (stage) => {
    const upstream = await stage.upstream(echoing);
    const listeners = [httpListener('in', [routeTo('up')], { codec_type: 'HTTP2', upgrade_configs: [{ upgrade_type: 'websocket' }] })];
    await stage.apply({ listeners, clusters: [cluster('up', [upstream.port])] });
    await onClient(stage.port(), async (client) => {
      assert.ok(!client.remoteSettings.enableConnectProtocol);
    });
    assert.deepEqual(upstream.received, []);
  });
});

test('CONNECT over HTTP/2 ends here as TCP, or goes on as CONNECT', async () => {
  const hcm = { codec_type: 'HTTP2', upgrade_configs: [{ upgrade_type: 'CONNECT' }], http2_protocol_options: { allow_connect: true } };
  const route = (connect: JsonObject): JsonObject => ({
    match: { connect_matcher: {} },
    route: { cluster: 'up', upgrade_configs: [{ upgrade_type: 'CONNECT', ...connect }] },
  });
  await onStage(async (stage) => {
    const upstream = await stage.upstream((socket, text) => {
      if (text.startsWith('CONNECT') && text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\n\r\n');
      else if (text.endsWith('ping')) socket.write('pong');
    });
    const cases: readonly (readonly [JsonObject, string])[] = [
      [{ connect_config: {} }, 'ping'],
      [{}, 'CONNECT db.test:5432 HTTP/1.1\r\n'],
    ];
    for (const [connect, seen] of cases) {
      await stage.apply({ listeners: [httpListener('in', [route(connect)], hcm)], clusters: [cluster('up', [upstream.port])] });
      await onClient(stage.port(), async (client) => {
        const stream = client.request({ ':method': 'CONNECT', ':authority': 'db.test:5432' });
        stream.on('error', () => {});
        const [headers] = await once(stream, 'response');
        assert.equal(headers[':status'], 200);
        stream.write('ping');
        stream.setEncoding('latin1');
        assert.deepEqual(await once(stream, 'data'), ['pong']);
        const received = upstream.received.at(-1)!;
        assert.ok(received.startsWith(seen), received);
        stream.close();
      });
    }
  });
});

const CONNECT_HCM = { upgrade_configs: [{ upgrade_type: 'CONNECT' }], http2_protocol_options: { allow_connect: true } };
const terminating = (connect: JsonObject = {}, match: JsonObject = { connect_matcher: {} }): JsonObject => ({
  match,
  route: { cluster: 'up', upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: connect }] },
});

/** A tunnel's request over HTTP/2 to a host that echoes with "!" behind it and ends when its peer does. */
async function throughTunnel(
  route: JsonObject,
  run: (client: ClientHttp2Session, received: () => string | undefined, stage: Stage) => Promise<void>,
): Promise<void> {
  await onStage(async (stage) => {
    const upstream = await stage.upstream((socket, text) => {
      if (text.endsWith('ping')) socket.write('pong');
      if (text.endsWith('break')) socket.resetAndDestroy();
    });
    await stage.apply({
      listeners: [httpListener('in', [route], { codec_type: 'HTTP2', ...CONNECT_HCM })],
      clusters: [cluster('up', [upstream.port])],
    });
    await onClient(stage.port(), (client) => run(client, () => upstream.received[0], stage));
  });
}

test('a stream of bytes by extended CONNECT is CONNECT', async () => {
  await throughTunnel(terminating(), async (client) => {
    const fields = { ':method': 'CONNECT', ':protocol': 'bytestream', ':path': '/', ':scheme': 'https', ':authority': 'a.test:80' };
    const stream = client.request(fields);
    stream.on('error', () => {});
    assert.equal((await once(stream, 'response'))[0][':status'], 200);
    stream.write('ping');
    assert.equal(String((await once(stream, 'data'))[0]), 'pong');
  });
});

test('POST ends here as TCP where the route allows it', async () => {
  await throughTunnel(terminating({ allow_post: true }, { prefix: '/' }), async (client, received) => {
    const stream = client.request({ ':method': 'POST', ':path': '/', ':authority': 'a.test' });
    assert.equal((await once(stream, 'response'))[0][':status'], 200);
    stream.write('ping');
    assert.equal(String((await once(stream, 'data'))[0]), 'pong');
    stream.resume().end();
    await once(stream, 'end');
    assert.equal(received(), 'ping');
  });
});

test('CONNECT whose request has ended is a tunnel with one end closed; a broken one is reset with CONNECT_ERROR', async () => {
  await throughTunnel(terminating(), async (client, received) => {
    const ended = client.request({ ':method': 'CONNECT', ':authority': 'a.test:80' }, { endStream: true });
    assert.equal((await once(ended, 'response'))[0][':status'], 200);
    await once(ended.resume(), 'end');
    assert.equal(received(), '');
    // Empty DATA with END_STREAM, which may come before the tunnel stands.
    const empty = client.request({ ':method': 'CONNECT', ':authority': 'a.test:80' });
    empty.end();
    await once(empty.resume(), 'end');
    const broken = client.request({ ':method': 'CONNECT', ':authority': 'a.test:80' });
    broken.on('error', () => {});
    await once(broken, 'response');
    broken.write('break');
    await new Promise((resolve) => broken.once('close', resolve));
    assert.equal(broken.rstCode, 10);
  });
});

test('CONNECT keeps the port that routing does without', async () => {
  await onStage(async (stage) => {
    const upstream = await stage.upstream((socket, text) => void (text.endsWith('\r\n\r\n') && socket.write('HTTP/1.1 200 OK\r\n\r\n')));
    const route = { match: { connect_matcher: {} }, route: { cluster: 'up' } };
    const hosts = { route_config: { virtual_hosts: [{ name: 'a', domains: ['a.test'], routes: [route] }] } };
    await stage.apply({
      listeners: [httpListener('in', [], { ...CONNECT_HCM, strip_any_host_port: true, ...hosts })],
      clusters: [cluster('up', [upstream.port])],
    });
    const wire = await openWire(stage.port());
    wire.send('CONNECT a.test:80 HTTP/1.1\r\nhost: a.test:80\r\n\r\n');
    await wire.expect('200 OK');
    assert.match(upstream.received[0]!, /^CONNECT a\.test:80 HTTP\/1\.1\r\nhost: a\.test:80\r\n/);
    wire.close();
  });
});

test('a declined upgrade ends both connections: either side may speak the other protocol already', async () => {
  await onStage(async (stage) => {
    const upstream = await stage.upstream((socket) => void socket.write('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno'));
    await stage.apply({ listeners: [httpListener('in', [routeTo('up')], WEBSOCKET)], clusters: [cluster('up', [upstream.port])] });
    const wire = await openWire(stage.port());
    wire.send(`GET /chat HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ${KEY}\r\n\r\n`);
    assert.match(await wire.closed(), /^HTTP\/1\.1 403 [\s\S]*\r\nconnection: close\r\n[\s\S]*no$/);
    await eventually(() => assert.ok(upstream.sockets[0]!.readableEnded));
    wire.close();
  });
});

test('the length of an upgrade has no place in extended CONNECT', async () => {
  const seen: Record<string, unknown>[] = [];
  const upstream = await startHttp2((stream, headers) => {
    seen.push(headers);
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  });
  try {
    await onStage(async (stage) => {
      const clusters = [cluster('up', [upstream.port], H2_CLUSTER)];
      await stage.apply({ listeners: [httpListener('in', [routeTo('up')], WEBSOCKET)], clusters });
      const wire = await openWire(stage.port());
      const head = 'GET / HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 0\r\n\r\n';
      wire.send(head);
      await wire.expect('101');
      wire.send('hello');
      await wire.expect('hello');
      assert.equal(seen[0]!['content-length'], undefined);
      wire.close();
    });
  } finally {
    await upstream.close();
  }
});
