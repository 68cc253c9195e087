import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { type TestContext, test } from 'node:test';
import { systemClock } from '@lateen/base';
import { createHostTransport } from '../io/host-transport.ts';
import { type Prober, probeApp } from './app-probes.ts';

const transport = createHostTransport();
const probe = (prober: Prober, headers = {}) => probeApp({ prober, host: '127.0.0.1', transport, clock: systemClock, headers });

async function listen(t: TestContext, server: Server | Http2Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

test("HTTP: the application's status, with kubelet's agent and the probe's headers", async (t) => {
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    seen.push(request.url, request.headers['user-agent'], request.headers['x-a'] as string, request.headers.host);
    response.writeHead(request.url === '/moved' ? 302 : 418).end();
  });
  const port = await listen(t, server);
  const headers = [{ name: 'X-A', value: '1' }];
  assert.equal(
    (await probe({ httpGet: { path: 'live', port, host: 'app.test', httpHeaders: headers } }, { 'user-agent': 'kube-probe/1.33' })).status,
    418,
  );
  assert.deepEqual(seen, ['/live', 'kube-probe/1.33', '1', `app.test:${port}`]);
  assert.equal((await probe({ httpGet: { path: '/moved', port } })).status, 302);
});

test('no answer in time, and no listener, are 500 with the reason', async (t) => {
  const silent = createTcpServer((socket) => t.after(() => socket.destroy()));
  const port = await listen(t, silent);
  const result = await probe({ httpGet: { path: '/', port }, timeoutSeconds: 0.05 });
  assert.deepEqual(result, { status: 500, body: 'no answer within 50 ms\n' });
  const open = await listen(
    t,
    createTcpServer((socket) => socket.end()),
  );
  assert.equal((await probe({ tcpSocket: { port: open } })).status, 200);
  assert.match((await probe({ tcpSocket: { port: 1 } })).body, /ECONNREFUSED/);
});

test('gRPC: only SERVING is healthy, the service name is passed on', async (t) => {
  const asked: string[] = [];
  const server = createHttp2Server();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const service = Buffer.concat(chunks).subarray(7).toString();
      asked.push(`${headers[':path']} ${service}`);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': service === 'gone' ? '5' : '0' }));
      stream.end(Buffer.from([0, 0, 0, 0, 2, 0x08, service === 'sick' ? 2 : 1]));
    });
  });
  const port = await listen(t, server);
  const statuses = [];
  for (const service of ['', 'sick', 'gone']) statuses.push((await probe({ grpc: { port, service } })).status);
  assert.deepEqual(statuses, [200, 500, 500]);
  assert.deepEqual(asked, ['/grpc.health.v1.Health/Check ', '/grpc.health.v1.Health/Check sick', '/grpc.health.v1.Health/Check gone']);
});
