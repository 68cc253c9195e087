import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { after, test } from 'node:test';
import { type SocketAddress, silentLogger, systemClock } from '@lateen/base';
import { eventually, freePort } from '@lateen/base/testing';
import type { PodSandbox, ServiceTableEntry } from '../../contracts.ts';
import { DEFAULT_CAPTURE_RULES as RULES } from '../capture-rules.ts';
import { createLocalHost, createNetwork } from '../index.ts';
import { serviceEntry } from '../testing/service-entry.ts';

const APP = `require('node:http').createServer((q, s) => s.end('app ' + q.method + ' ' + q.url)).listen(process.env.PORT, '127.0.0.1', () => console.log('up'))`;

const network = await createNetwork({
  mode: 'proxy',
  reason: 'a test',
  host: createLocalHost(),
  clock: systemClock,
  logger: silentLogger,
  onApiServerConnection: (socket) => socket.end('api server'),
});
after(() => network.close());

let names = 0;
const createPod = (ports: number[] = []) => {
  const name = `pod-${++names}`;
  return network.createPod({ uid: name, namespace: 'default', name, hostname: name, ports });
};
const service = (name: string, clusterIP: string, port: number, targets: SocketAddress[]): ServiceTableEntry =>
  serviceEntry('default', name, { clusterIP, ports: [{ name: 'http', protocol: 'TCP', port, targets }] });

async function startApp(pod: PodSandbox): Promise<void> {
  const child = pod.spawn({
    argv: [process.execPath, '-e', APP],
    env: {},
    mounts: [],
    hostname: 'x',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (child.stdout) await once(child.stdout, 'data');
}

/** A sidecar that passes everything on: out by what `route` says, in to the app. Notes the original destinations. */
async function startSidecar(
  pod: PodSandbox,
  route: (to: SocketAddress) => SocketAddress,
): Promise<Record<'outbound' | 'inbound', unknown[]>> {
  const seen: Record<'outbound' | 'inbound', unknown[]> = { outbound: [], inbound: [] };
  const { transport } = pod;
  const pass = (from: Socket, to: Socket) => {
    for (const socket of [from, to]) socket.on('error', () => socket.destroy());
    from.pipe(to).pipe(from);
  };
  await transport.listen({ host: '0.0.0.0', port: RULES.outboundPort }, (socket) => {
    const destination = transport.originalDestination(socket);
    seen.outbound.push(destination);
    pass(socket, transport.dial(route(destination as SocketAddress)));
  });
  await transport.listen({ host: '0.0.0.0', port: RULES.inboundPort }, (socket) => {
    const destination = transport.originalDestination(socket) as SocketAddress;
    seen.inbound.push(destination);
    pass(socket, transport.dial({ ...destination, localAddress: '127.0.0.6' }));
  });
  await pod.capture(RULES);
  return seen;
}

async function run(pod: PodSandbox, argv: string[]): Promise<{ code: number | null; output: string }> {
  const child = pod.spawn({ argv, env: {}, mounts: [], hostname: 'x', stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output += chunk;
    });
  }
  const [code] = await once(child, 'close');
  return { code: code as number | null, output };
}

test('a request by name passes both sidecars, each told the destination that capture would have told it', async () => {
  const [client, server] = [await createPod(), await createPod([9080])];
  await startApp(server);
  const [out, into] = [await startSidecar(client, () => ({ host: server.ip, port: 9080 })), await startSidecar(server, (to) => to)];
  await network.syncServices([service('reviews', '10.96.3.1', 9080, [{ host: server.ip, port: 9080 }])]);
  for (const name of ['reviews', 'reviews.default', 'reviews.default.svc.cluster.local']) {
    assert.deepEqual(await run(client, ['curl', '-sS', '-m', '20', `http://${name}:9080/stars?x=1`]), {
      code: 0,
      output: 'app GET /stars?x=1',
    });
  }
  assert.deepEqual(out.outbound, Array(3).fill({ host: '10.96.3.1', port: 9080 }));
  assert.deepEqual(into.inbound, Array(3).fill({ host: server.ip, port: 9080 }));
  const script = `fetch('http://reviews:9080/tunnel').then((r) => r.text()).then(console.log)`;
  assert.deepEqual(await run(client, [process.execPath, '-e', script]), { code: 0, output: 'app GET /tunnel\n' });
});

test('a TCP client is told host and port of a service, and passes its sidecar', async () => {
  const [client, server] = [await createPod(), await createPod([7070])];
  await startApp(server);
  const seen = await startSidecar(client, () => ({ host: server.ip, port: 7070 }));
  await network.syncServices([service('tcp-echo', '10.96.3.2', 7070, [{ host: server.ip, port: 7070 }])]);
  const { TCP_ECHO_SERVICE_HOST: host, TCP_ECHO_SERVICE_PORT: port } = client.environment([]);
  assert.equal((await run(client, ['curl', '-sS', '--noproxy', '*', `http://${host}:${port}/`])).output, 'app GET /');
  assert.deepEqual(seen.outbound, [{ host: '10.96.3.2', port: 7070 }]);
});

test('a pod without sidecar reaches services by name, and the outside', async () => {
  const [client, server] = [await createPod(), await createPod([8081])];
  await startApp(server);
  await network.syncServices([service('plain', '10.96.3.3', 80, [{ host: server.ip, port: 8081 }])]);
  assert.equal((await run(client, ['curl', '-sS', 'http://plain/'])).output, 'app GET /');
  const outside = createServer((_request, response) => response.end('outside')).listen(0, '127.0.0.1');
  await once(outside, 'listening');
  const { port } = outside.address() as { port: number };
  assert.equal((await run(client, ['curl', '-sS', '--noproxy', '', `http://localhost:${port}/`])).output, 'outside');
  outside.close();
});

test('what cannot be reached is a 503, in plain requests and in tunnels', async () => {
  const pod = await createPod();
  await network.syncServices([service('empty', '10.96.3.4', 80, [])]);
  for (const url of ['http://empty/', 'http://no-such-name.default/', 'http://10.244.200.1/']) {
    assert.equal((await run(pod, ['curl', '-sS', '-o', '/dev/null', '-w', '%{http_code}', url])).output, '503', url);
  }
  const { output } = await run(pod, ['curl', '-sS', '-p', 'http://empty/']);
  assert.match(output, /503/);
});

test('node, probes and load balancer find pods, services and API server', async () => {
  const pod = await createPod([8082]);
  await startApp(pod);
  const port = await freePort();
  const entry = { ...service('front', '10.96.3.5', port, [{ host: pod.ip, port: 8082 }]), loadBalancer: true };
  const balancers = await network.syncServices([entry]);
  assert.deepEqual(balancers.get('default/front'), { hostname: 'localhost', bound: [port], refused: [] });
  const get = async (address: SocketAddress) => (await fetch(`http://${address.host}:${address.port}/`)).text();
  assert.equal(await get({ host: 'localhost', port }), 'app GET /');
  assert.equal(await get(network.resolve({ host: '10.96.3.5', port })), 'app GET /');
  assert.equal(await get(network.resolve({ host: pod.ip, port: 8082 })), 'app GET /');
  for (const socket of [await pod.dialLocal(8082), await network.dial({ host: pod.ip, port: 8082 })]) socket.destroy();
  assert.throws(() => network.resolve({ host: '10.96.3.77', port: 80 }), { code: 'LAT4107' });
  const stable = network.resolve({ host: '10.96.3.5', port });
  await network.syncServices([service('front', '10.96.3.5', port, [])]);
  await network.syncServices([entry]);
  assert.deepEqual(network.resolve({ host: '10.96.3.5', port }), stable);
  await assert.rejects(network.dial({ host: pod.ip, port: 1 }), { code: 'ECONNREFUSED' });
  const api = await network.dial(network.apiServer);
  const [hello] = await once(api, 'data');
  assert.equal(String(hello), 'api server');
});

test('two replicas listen on ports of their own', async () => {
  const [one, two] = [await createPod([8083]), await createPod([8083])];
  assert.notEqual(one.environment([8083])['PORT'], two.environment([8083])['PORT']);
  await Promise.all([startApp(one), startApp(two)]);
  await network.syncServices([
    service(
      'both',
      '10.96.3.6',
      80,
      [one, two].map(({ ip }) => ({ host: ip, port: 8083 })),
    ),
  ]);
  assert.equal(await (await fetch(`http://127.0.0.1:${network.resolve({ host: '10.96.3.6', port: 80 }).port}`)).text(), 'app GET /');
});

test('exit codes and signals pass through, and a pod leaves nothing running', async () => {
  const pod = await createPod();
  assert.equal((await run(pod, ['sh', '-c', 'exit 7'])).code, 7);
  const child = pod.spawn({
    argv: ['sh', '-c', 'trap "exit 3" TERM; sleep 300 & echo $!; wait'],
    env: {},
    mounts: [],
    hostname: 'x',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = child.stdout ? await once(child.stdout, 'data') : [];
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [3, null]);
  await eventually(() => assert.throws(() => process.kill(Number(line), 0)));
  const stubborn = pod.spawn({ argv: ['sleep', '300'], env: {}, mounts: [], hostname: 'x', stdio: 'ignore' });
  stubborn.kill('SIGKILL');
  assert.deepEqual(await once(stubborn, 'exit'), [null, 'SIGKILL']);
});
