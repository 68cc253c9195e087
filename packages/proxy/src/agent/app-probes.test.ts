import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type CodedError, systemClock } from '@lateen/base';
import { createHostTransport } from '../io/host-transport.ts';
import { type Prober, parseProbers, probeApp } from './app-probes.ts';

const transport = createHostTransport();
const probe = (prober: Prober, headers: string[] = []) => probeApp({ prober, host: '127.0.0.1', transport, clock: systemClock, headers });

async function listen(t: TestContext, server: Server | Http2Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

test("HTTP: the application's status, with kubelet's agent and the probe's headers", async (t) => {
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    const { 'user-agent': agent, 'x-a': a, 'x-b': b, host } = request.headers;
    seen.push(request.url, agent, String(a), String(b), host);
    response.writeHead(418).end();
  });
  const port = await listen(t, server);
  const headers = [{ name: 'X-A', value: '1' }];
  assert.equal(
    (
      await probe({ httpGet: { path: 'live', port, host: 'app.test', httpHeaders: headers } }, [
        'User-Agent',
        'kube-probe/1.33',
        'x-a',
        '0',
        'X-B',
        'b1',
        'X-B',
        'b2',
        'Host',
        'no',
      ])
    ).status,
    418,
  );
  assert.deepEqual(seen, ['/live', 'kube-probe/1.33', '1', 'b1, b2', `app.test:${port}`]);
});

test('HTTP: redirects within the application are followed, others are answers; a loop fails', async (t) => {
  const server = createServer((request, response) => {
    const location = { '/moved': '/here', '/loop': '/loop', '/away': 'http://elsewhere.test/' }[request.url ?? ''];
    if (request.url === '/kept') response.writeHead(304).end();
    else if (location) response.writeHead(302, { location }).end();
    else response.writeHead(request.url === '/here' ? 204 : 500).end();
  });
  const port = await listen(t, server);
  const statuses = [];
  for (const path of ['/moved', '/away', '/kept', '/loop']) statuses.push((await probe({ httpGet: { path, port } })).status);
  assert.deepEqual(statuses, [204, 200, 200, 500]);
});

test('probes that no probe can be are refused at the start', () => {
  const path = '/app-health/a/livez';
  assert.deepEqual(
    parseProbers(`{"${path}": {"gRPC": {"port": 8080, "service": null}, "timeoutSeconds": 10}}`).get(path)?.grpc?.port,
    8080,
  );
  for (const [text, reason] of [
    ['no JSON', /JSON/],
    ['{"abc": {"httpGet": {"port": 80}}}', /not a path/],
    [`{"${path}": {"exec": {"command": ["true"]}}}`, /must have one of/],
    [`{"${path}": {"tcpSocket": {"port": 80}, "httpGet": {"port": 80}}}`, /must have one of/],
    [`{"${path}": {"tcpSocket": {"port": "http"}}}`, /port must be a number/],
  ] as const) {
    assert.throws(
      () => parseProbers(text),
      (error: CodedError) => error.code === 'LAT4101' && reason.test(error.why ?? ''),
      text,
    );
  }
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
