import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, connect, type Server } from 'node:net';
import { test } from 'node:test';
import { createVirtualClock } from '@lateen/base/testing';
import type { Probe } from '@lateen/kube/types';
import { type ActionTarget, runAction } from './probe-actions.ts';
import { startProbeLoop } from './probe-loop.ts';

/** Runs a probe against scripted answers, one a period, and gives what it reported. */
async function play(probe: Probe, answers: string): Promise<string[]> {
  const clock = createVirtualClock();
  const seen: string[] = [];
  let next = 0;
  const loop = startProbeLoop({
    probe: { periodSeconds: 1, ...probe },
    clock,
    run: async () => (answers[next++] === '+' ? undefined : 'no'),
    onChange: (healthy) => seen.push(`${next}${healthy ? '+' : '-'}`),
    onFailure: () => {},
  });
  for (let i = 0; i <= answers.length; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (next < answers.length) clock.advance(1000);
  }
  loop.close();
  return seen;
}

const plays: { name: string; probe: Probe; answers: string; changes: string[] }[] = [
  { name: 'one success is enough by default', probe: {}, answers: '+++', changes: ['1+'] },
  { name: 'three failures in a row by default', probe: {}, answers: '+--+---', changes: ['1+', '7-'] },
  {
    name: 'thresholds are respected',
    probe: { successThreshold: 2, failureThreshold: 1 },
    answers: '++-+-++',
    changes: ['2+', '3-', '7+'],
  },
];
for (const { name, probe, answers, changes } of plays) {
  test(`probing: ${name}`, async () => assert.deepEqual(await play(probe, answers), changes));
}

test('an eager probe asks often before its first success, and counts once a period', async () => {
  const clock = createVirtualClock();
  const seen: string[] = [];
  let asked = 0;
  const loop = startProbeLoop({
    probe: { periodSeconds: 10, failureThreshold: 2 },
    eager: true,
    clock,
    run: async () => (++asked && clock.now() >= 25_000 ? undefined : 'no'),
    onChange: (healthy) => seen.push(`${healthy ? 'up' : 'down'} at ${Math.floor(clock.now() / 10_000)}x`),
    onFailure: () => seen.push(`failure at ${Math.floor(clock.now() / 10_000)}x`),
  });
  for (let at = 0; at < 40_000; at += 50) {
    clock.advance(50);
    await new Promise((resolve) => setImmediate(resolve));
  }
  loop.close();
  assert.ok(asked > 25, `asked ${asked} times`);
  assert.deepEqual(seen, ['failure at 1x', 'failure at 2x', 'down at 2x', 'up at 2x']);
});

test('a probe that takes too long fails with a timeout', async () => {
  const clock = createVirtualClock();
  const failed = Promise.withResolvers<string>();
  const hang = (signal: AbortSignal) =>
    new Promise<string>((resolve) => signal.addEventListener('abort', () => resolve(String(signal.reason.message))));
  const loop = startProbeLoop({ probe: { timeoutSeconds: 2 }, clock, run: hang, onChange() {}, onFailure: failed.resolve });
  clock.advance(0);
  clock.advance(2000);
  assert.equal(await failed.promise, 'probe timed out after 2s');
  loop.close();
});

const target: ActionTarget = {
  container: { name: 'app', ports: [{ name: 'web', containerPort: 1 }] },
  podIP: '127.0.0.1',
  dial: ({ host, port }) =>
    new Promise((resolve, reject) => {
      const socket = connect({ host, port }).once('error', reject);
      socket.once('connect', () => resolve(socket));
    }),
  exec: async ([word]) => ({ exitCode: word === 'true' ? 0 : 1, output: `ran ${word}` }),
};
const signal = new AbortController().signal;

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

test('an HTTP probe judges by status and sends its headers', async (t) => {
  const server = createServer((request, response) => response.writeHead(request.headers['x-test'] === 'yes' ? 204 : 503).end('not yet'));
  const port = await listening(server);
  t.after(() => server.close());
  assert.equal(
    await runAction({ httpGet: { path: '/ready', port, httpHeaders: [{ name: 'X-Test', value: 'yes' }] } }, target, signal),
    undefined,
  );
  assert.equal(await runAction({ httpGet: { path: '/ready', port } }, target, signal), 'HTTP probe failed with statuscode: 503: not yet');
});

test('a gRPC probe asks the health service', async (t) => {
  const server = createHttp2Server().on('stream', (stream: ServerHttp2Stream, headers) => {
    const serving = headers[':path'] === '/grpc.health.v1.Health/Check';
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.on('data', (body: Buffer) => stream.end(Buffer.from([0, 0, 0, 0, 2, 8, serving && body.length === 5 ? 1 : 2])));
  });
  const port = await listening(server);
  t.after(() => server.close());
  assert.equal(await runAction({ grpc: { port } }, target, signal), undefined);
  assert.match((await runAction({ grpc: { port, service: 'x' } }, target, signal)) ?? '', /service unhealthy \(responded with 2\)/);
});

test('exec, tcp and named ports', async () => {
  assert.equal(await runAction({ exec: { command: ['true'] } }, target, signal), undefined);
  assert.equal(await runAction({ exec: { command: ['false'] } }, target, signal), 'ran false');
  assert.match((await runAction({ tcpSocket: { port: 'web' } }, target, signal)) ?? '', /ECONNREFUSED/);
  assert.equal(await runAction({ tcpSocket: { port: 'nope' } }, target, signal), `couldn't find port "nope" in container app`);
});
