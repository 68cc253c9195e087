import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import test from 'node:test';
import { eventually } from '@lateen/base/testing';
import { createProxy } from '../proxy.ts';
import { cluster, httpListener, routeTo, runtimeOf } from '../testing/runtime.ts';

// Random damage to good requests. Whatever comes of it: each request is reported once, nothing is left open, and the upstream's own
// parser (Node's) never meets a request that it refuses.

const SEEDS = [
  'GET /a HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n',
  'POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
  'POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'GET http://x.y/z HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n',
  'GET /p%2e%2e/%2f?q HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n',
];
const PIECES = ['\r', '\n', '\0', ' ', '\t', ':', ',', ';', '\r\n', '\r\n\r\n', '0', '-1', 'chunked', '\xff', '%00', 'HTTP/1.0'];
const LINES = [
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Connection: close\r\n',
  'Upgrade: websocket\r\nConnection: upgrade\r\n',
];
const CASES = 800;
/** Node knows a list of methods where any token is legal, and a broken-off body is what a client that left leaves. */
const LEGAL = new Set(['HPE_INVALID_METHOD', 'HPE_INVALID_EOF_STATE']);

function createMutator(seed: number): { next(): Buffer; below(limit: number): number } {
  let state = seed;
  const below = (limit: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const damage = (text: string) => {
    const at = below(text.length);
    const pieces = below(2) === 0 ? PIECES : LINES;
    const inserted = below(2) === 0 ? (pieces[below(pieces.length)] as string) : String.fromCharCode(below(256));
    return text.slice(0, at) + inserted + text.slice(at + below(4));
  };
  const next = () => {
    let text = SEEDS[below(SEEDS.length)] as string;
    for (let times = below(4); times >= 0; times--) text = damage(text);
    return Buffer.from(text, 'latin1');
  };
  return { next, below };
}

async function sendCut(port: number, bytes: Buffer, cut: number): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => {});
  socket.on('data', () => {});
  socket.write(bytes.subarray(0, cut));
  setImmediate(() => {
    socket.write(bytes.subarray(cut));
    setTimeout(() => socket.destroy(), 10);
  });
  await once(socket, 'close');
}

test('damaged requests leave nothing behind, and what passes is good HTTP', async () => {
  let refusedByUpstream = 0;
  const upstream = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.end('ok'));
  });
  upstream.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code?.startsWith('HPE_') && !LEGAL.has(error.code)) refusedByUpstream++;
    socket.destroy();
  });
  upstream.listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  const counts = { started: 0, finished: 0 };
  const proxy = createProxy({
    observer: {
      http: () => ({
        connectionOpened() {},
        connectionClosed() {},
        requestStarted: () => counts.started++,
        finish: () => counts.finished++,
      }),
      tcp: () => ({ connectionOpened() {}, finish() {} }),
    },
  });
  try {
    const { port: upstreamPort } = upstream.address() as AddressInfo;
    const listener = httpListener('in', [routeTo('up')], { normalize_path: true });
    await proxy.apply(runtimeOf({ listeners: [listener], clusters: [cluster('up', [upstreamPort])] }));
    const { port } = proxy.addressOf('in')!;
    const mutator = createMutator(20261121);
    for (let sent = 0; sent < CASES; sent += 20) {
      const batch = Array.from({ length: 20 }, () => mutator.next());
      await Promise.all(batch.map((bytes) => sendCut(port, bytes, mutator.below(bytes.length))));
    }
    await eventually(() => proxy.connectionCount === 0);
    await eventually(() => proxy.clusters()[0]!.stats.upstream_rq_active === 0);
    assert.ok(counts.started > CASES / 2, `${counts.started}`);
    assert.equal(counts.finished, counts.started);
    assert.equal(refusedByUpstream, 0);
  } finally {
    await proxy.close();
    upstream.close();
    upstream.closeAllConnections();
  }
});
