// What the pod network must do, in namespaces: run inside a node process by scenario-child.ts, asserted there.

import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { SocketAddress } from '@lateen/base';
import { eventually } from '@lateen/base/testing';
import type { ClusterNetwork, PodProcessRequest, PodSandbox, ServiceTableEntry } from '../../contracts.ts';
import { DEFAULT_CAPTURE_RULES as RULES } from '../capture-rules.ts';
import type { HostLink } from '../host-link.ts';
import { serviceEntry } from './service-entry.ts';

export type ScenarioContext = {
  network: ClusterNetwork;
  host: HostLink;
  mode: 'root' | 'rootless';
  /** Nobody listens on it at the host's loopback; this process may be in a network namespace of its own. */
  freeHostPort: number;
  /** An HTTP server of the test's, on the host, at an address that is not loopback; it answers "outside". */
  outside: SocketAddress | undefined;
};
type Finished = { code: number | null; signal: NodeJS.Signals | null; output: string };

let pods = 0;
export const createPod = (network: ClusterNetwork, name = `pod-${++pods}`): Promise<PodSandbox> =>
  network.createPod({ uid: name, namespace: 'default', name, hostname: name, ports: [] });

/** Runs a command in the pod and gives its exit and everything it printed. */
export async function run(pod: PodSandbox, argv: string[], extra: Partial<PodProcessRequest> = {}): Promise<Finished> {
  const child = pod.spawn({ argv, env: {}, mounts: [], hostname: 'pod', stdio: ['ignore', 'pipe', 'pipe'], ...extra });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output += chunk;
    });
  }
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, output };
}

const curl = (pod: PodSandbox, url: string, extra: Partial<PodProcessRequest> = {}) => run(pod, ['curl', '-sS', '-m', '20', url], extra);

/** Serves HTTP from inside the pod, as the sidecar or an app would; counts the destinations of the connections it gets. */
async function serve(pod: PodSandbox, port: number, body: string): Promise<(SocketAddress | undefined)[]> {
  const destinations: (SocketAddress | undefined)[] = [];
  await pod.transport.listen({ host: '0.0.0.0', port }, (socket) => {
    destinations.push(pod.transport.originalDestination(socket));
    socket.on('error', () => {});
    socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`));
  });
  return destinations;
}

async function get(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.once('end', () => socket.end());
  socket.write('GET / HTTP/1.0\r\n\r\n');
  await once(socket, 'close');
  return text;
}

const service = (name: string, clusterIP: string, more: Partial<ServiceTableEntry>) =>
  serviceEntry('default', name, { clusterIP, ...more });
const httpPort = (port: number, targets: SocketAddress[]) => [{ name: 'http', protocol: 'TCP' as const, port, targets }];

export const scenarios: Record<string, (context: ScenarioContext) => Promise<void>> = {
  async 'a pod reaches another by ClusterIP, short name and full name'({ network }) {
    const [client, server] = [await createPod(network), await createPod(network)];
    await serve(server, 8080, 'hello');
    await network.syncServices([service('web', '10.96.1.1', { ports: httpPort(80, [{ host: server.ip, port: 8080 }]) })]);
    for (const host of ['10.96.1.1', 'web', 'web.default', 'web.default.svc.cluster.local']) {
      assert.deepEqual(await curl(client, `http://${host}/`), { code: 0, signal: null, output: 'hello' }, host);
    }
  },

  async 'connections are spread over the targets and a dead target is skipped'({ network }) {
    const [client, one, two, dead] = [
      await createPod(network),
      await createPod(network),
      await createPod(network),
      await createPod(network),
    ];
    await serve(one, 80, 'one');
    await serve(two, 80, 'two');
    const targets = [one, two, dead].map(({ ip: host }) => ({ host, port: 80 }));
    await network.syncServices([service('spread', '10.96.1.2', { ports: httpPort(80, targets) })]);
    const answers = await run(client, ['sh', '-c', 'for i in 1 2 3 4 5 6; do curl -sS http://spread/; echo; done']);
    assert.equal(answers.output.split('\n').filter((line) => line === 'one').length, 3, answers.output);
    assert.equal(answers.output.split('\n').filter((line) => line === 'two').length, 3, answers.output);
  },

  async 'a service without endpoints refuses at once, and so does a name that is not there'({ network }) {
    const client = await createPod(network);
    await network.syncServices([service('empty', '10.96.1.3', { ports: httpPort(80, []) })]);
    assert.equal((await curl(client, 'http://empty/')).code, 7);
    assert.equal((await curl(client, 'http://nothing-here/')).code, 6);
  },

  async 'DNS answers over UDP and TCP, and asks the host for other names'({ network }) {
    await network.syncServices([
      service('web', '10.96.1.4', { ports: httpPort(8080, []) }),
      { ...service('db', '', { addresses: [{ ip: '10.244.9.9', hostname: 'db-0' }], ports: httpPort(5432, []) }), clusterIP: undefined },
    ]);
    const resolver = new Resolver();
    resolver.setServers(['10.96.0.10']);
    assert.deepEqual(await resolver.resolve4('kubernetes.default.svc.cluster.local'), ['10.96.0.1']);
    assert.deepEqual(await resolver.resolve4('db-0.db.default.svc.cluster.local'), ['10.244.9.9']);
    const [srv] = await resolver.resolveSrv('_http._tcp.web.default.svc.cluster.local');
    assert.equal(srv?.port, 8080);
    assert.deepEqual(await resolver.resolve4('localhost'), ['127.0.0.1']);
    await assert.rejects(resolver.resolve4('gone.default.svc.cluster.local'), { code: 'ENOTFOUND' });
  },

  async 'a captured app reaches the sidecar with the destination it meant'({ network }) {
    const pod = await createPod(network);
    await network.syncServices([service('target', '10.96.1.5', { ports: httpPort(80, []) })]);
    const destinations = await serve(pod, 15001, 'sidecar');
    await pod.capture(RULES);
    assert.equal((await curl(pod, 'http://target:8000/')).output, 'sidecar');
    assert.equal((await curl(pod, 'http://10.244.77.7:9/')).output, 'sidecar');
    assert.deepEqual(destinations, [
      { host: '10.96.1.5', port: 8000 },
      { host: '10.244.77.7', port: 9 },
    ]);
  },

  async 'excluded ports and ranges, and addresses outside the included ranges, are not captured'({ network }) {
    const [server, pod, narrow] = [await createPod(network), await createPod(network), await createPod(network)];
    for (const port of [80, 81]) await serve(server, port, 'direct');
    for (const captured of [pod, narrow]) await serve(captured, 15001, 'sidecar');
    await pod.capture({ ...RULES, excludeOutboundPorts: [81], excludeOutboundCidrs: ['10.96.0.0/24'] });
    assert.equal((await curl(pod, `http://${server.ip}:80/`)).output, 'sidecar');
    assert.equal((await curl(pod, `http://${server.ip}:81/`)).output, 'direct');
    assert.equal((await curl(pod, 'http://10.96.0.77/')).code, 7);
    await narrow.capture({ ...RULES, includeOutboundCidrs: ['10.96.0.0/16'], includeOutboundPorts: [81] });
    assert.equal((await curl(narrow, `http://${server.ip}:80/`)).output, 'direct');
    assert.equal((await curl(narrow, `http://${server.ip}:81/`)).output, 'sidecar');
    assert.equal((await curl(narrow, 'http://10.96.4.4/')).output, 'sidecar');
  },

  async "the sidecar's own connections are not captured"({ network, mode }) {
    const [server, pod] = [await createPod(network), await createPod(network)];
    await serve(server, 80, 'direct');
    await serve(pod, 15001, 'sidecar');
    await pod.capture(RULES);
    assert.match(await get(pod.transport.dial({ host: server.ip, port: 80 })), /direct$/);
    if (mode === 'root') assert.equal((await curl(pod, `http://${server.ip}/`, { runAsUser: 1337, runAsGroup: 1337 })).output, 'direct');
    if (mode === 'root') assert.equal((await curl(pod, `http://${server.ip}/`, { runAsUser: 1000, runAsGroup: 1000 })).output, 'sidecar');
  },

  async 'inbound connections reach the inbound listener, except to excluded ports'({ network }) {
    const [client, pod] = [await createPod(network), await createPod(network)];
    const destinations = await serve(pod, 15006, 'sidecar');
    await serve(pod, 15021, 'health');
    await serve(pod, 7000, 'app');
    await pod.capture({ ...RULES, excludeInboundPorts: [7000] });
    assert.equal((await curl(client, `http://${pod.ip}:8080/`)).output, 'sidecar');
    assert.equal((await curl(client, `http://${pod.ip}:15021/`)).output, 'health');
    assert.equal((await curl(client, `http://${pod.ip}:7000/`)).output, 'app');
    assert.match(await get(await network.dial({ host: pod.ip, port: 8080 })), /sidecar$/);
    assert.deepEqual(destinations, [
      { host: pod.ip, port: 8080 },
      { host: pod.ip, port: 8080 },
    ]);
  },

  async 'an app that calls itself: directly by pod address, through both listeners by ClusterIP'({ network }) {
    const pod = await createPod(network);
    await serve(pod, 8080, 'app');
    await serve(pod, 15001, 'outbound');
    const inbound = await serve(pod, 15006, 'inbound');
    await pod.capture(RULES);
    for (const host of [pod.ip, 'localhost', '127.0.0.1']) assert.equal((await curl(pod, `http://${host}:8080/`)).output, 'app', host);
    assert.equal((await curl(pod, 'http://10.96.1.9/')).output, 'outbound');
    assert.match(await get(pod.transport.dial({ host: pod.ip, port: 8080 })), /inbound$/);
    assert.deepEqual(inbound, [{ host: pod.ip, port: 8080 }]);
    assert.match(await get(pod.transport.dial({ host: pod.ip, port: 8080, localAddress: '127.0.0.6' })), /app$/);
    assert.match(await get(await pod.dialLocal(8080)), /app$/);
  },

  async 'a transport socket reads into the buffer it was given and fails as node:net does'({ network }) {
    const [server, pod] = [await createPod(network), await createPod(network)];
    await serve(server, 80, 'direct');
    let seen = '';
    const buffer = Buffer.alloc(4096);
    const onread = {
      buffer,
      callback: (size: number, data: Uint8Array) => {
        seen += Buffer.from(data.subarray(0, size));
        return true;
      },
    };
    const socket = pod.transport.dial({ host: server.ip, port: 80, onread });
    socket.once('end', () => socket.end());
    socket.write('GET / HTTP/1.0\r\n\r\n');
    await once(socket, 'close');
    assert.match(seen, /direct$/);
    const [error] = await once(pod.transport.dial({ host: server.ip, port: 81 }), 'error');
    assert.equal((error as { code?: string }).code, 'ECONNREFUSED');
    const listener = await pod.transport.listen({ host: '0.0.0.0', port: 0 }, () => {});
    assert.ok(listener.address.port > 0);
    await assert.rejects(
      pod.transport.listen({ host: '0.0.0.0', port: listener.address.port }, () => {}),
      { code: 'EADDRINUSE' },
    );
    await listener.close();
    const udp = await pod.transport.listenUdp({ host: '127.0.0.1', port: 0 });
    assert.equal(udp.address().address, '127.0.0.1');
    udp.close();
  },

  async 'a listener on the host accepts there and is served here'({ host }) {
    const server = await host.listenOnHost({ host: '127.0.0.1', port: 0 });
    server.on('connection', (socket) => socket.end('from the node'));
    const { port } = server.address() as { port: number };
    const answers = await Promise.all(Array.from({ length: 20 }, async () => get(await host.dialFromHost({ host: '127.0.0.1', port }))));
    assert.ok(answers.every((text) => text === 'from the node'));
    server.close();
    await eventually(() => assert.rejects(host.dialFromHost({ host: '127.0.0.1', port }), { code: 'ECONNREFUSED' }));
  },

  async 'a load balancer answers on the host loopback and keeps its address'({ network, host, freeHostPort: port }) {
    const server = await createPod(network);
    await serve(server, 8080, 'balanced');
    const ports = httpPort(port, [{ host: server.ip, port: 8080 }]);
    const first = service('first', '10.96.2.1', { ports, loadBalancer: true });
    const gateway = { ...service('istio-ingressgateway', '10.96.2.2', { ports, loadBalancer: true }), namespace: 'istio-system' };
    const balancers = await network.syncServices([first, gateway]);
    assert.deepEqual(balancers.get('istio-system/istio-ingressgateway'), { hostname: 'localhost', bound: [port], refused: [] });
    assert.deepEqual(balancers.get('default/first'), { hostname: '127.0.0.2', bound: [port], refused: [] });
    for (const ip of ['127.0.0.1', '127.0.0.2']) {
      assert.match(await get(await host.dialFromHost({ host: ip, port })), /balanced$/);
    }
    assert.equal((await network.syncServices([first])).get('default/first')?.hostname, '127.0.0.2');
    await network.syncServices([]);
    await eventually(() => assert.rejects(host.dialFromHost({ host: '127.0.0.2', port }), { code: 'ECONNREFUSED' }));
  },

  async 'a load balancer port that is taken is reported with a reason'({ network, host }) {
    const taken = await host.listenOnHost({ host: '127.0.0.1', port: 0 });
    const { port } = taken.address() as { port: number };
    const balancers = await network.syncServices([service('late', '10.96.2.3', { ports: httpPort(port, []), loadBalancer: true })]);
    assert.match(balancers.get('default/late')?.refused[0]?.reason ?? '', /another program listens on 127\.0\.0\.1/);
    taken.close();
    await network.syncServices([]);
  },

  async 'a pod reaches a server outside the cluster'({ network, outside }) {
    if (!outside) return;
    const pod = await createPod(network);
    assert.equal((await curl(pod, `http://${outside.host}:${outside.port}/`)).output, 'outside');
  },

  async 'a pod reaches the API server by its address and name'({ network }) {
    const pod = await createPod(network);
    for (const host of ['10.96.0.1', 'kubernetes.default.svc']) assert.match((await curl(pod, `http://${host}:443/`)).output, /api server/);
  },

  async 'exit codes and signals pass through, with or without a handler'({ network }) {
    const pod = await createPod(network);
    assert.equal((await run(pod, ['sh', '-c', 'exit 7'])).code, 7);
    assert.equal((await run(pod, ['/no/such/program'])).code, 127);
    const start = async (script: string) => {
      const child = pod.spawn({
        argv: ['sh', '-c', script],
        env: {},
        mounts: [],
        hostname: 'pod',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      if (child.stdout) await once(child.stdout, 'data');
      return child;
    };
    const handled = await start('trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done');
    handled.kill('SIGTERM');
    assert.deepEqual(await once(handled, 'exit'), [3, null]);
    const unhandled = await start('echo ready; sleep 60');
    unhandled.kill();
    assert.deepEqual(await once(unhandled, 'exit'), [null, 'SIGKILL']);
    assert.equal(unhandled.kill(), false);
  },

  async 'a process sees its own mounts, host name and processes, and the host stays as it is'({ network }) {
    const pod = await createPod(network);
    const folder = mkdtempSync(path.join(tmpdir(), 'lateen-network-'));
    try {
      writeFileSync(path.join(folder, 'key'), 'value');
      const mounts = [
        { source: folder, target: '/var/run/secrets/kubernetes.io/serviceaccount', readOnly: true },
        { source: folder, target: '/no-such-top-level/data', readOnly: false },
        { source: path.join(folder, 'key'), target: '/etc/no-such-folder/key', readOnly: true },
      ];
      const script = [
        'cat /var/run/secrets/kubernetes.io/serviceaccount/key /no-such-top-level/data/key /etc/no-such-folder/key',
        'echo more > /no-such-top-level/data/written',
        'sh -c "echo no > /var/run/secrets/kubernetes.io/serviceaccount/key" 2>/dev/null || echo read-only',
        'cat /proc/sys/kernel/hostname; ls -d /proc/[0-9]* | head -1; pwd; test -d /bin && echo complete',
      ].join('; ');
      const { output } = await run(pod, ['sh', '-c', script], { mounts, hostname: 'my-pod', cwd: '/no-such-top-level' });
      assert.match(output, /^valuevaluevalue/);
      assert.match(output, /read-only\nmy-pod\n\/proc\/1\n\/no-such-top-level\ncomplete\n$/);
      assert.deepEqual(readdirSync(folder).sort(), ['key', 'written']);
      for (const made of ['/no-such-top-level', '/etc/no-such-folder']) assert.ok(!existsSync(made), made);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },

  async 'an app cannot change its rules'({ network, mode }) {
    const pod = await createPod(network);
    await pod.capture(RULES);
    const { code, output } = await run(pod, ['sh', '-c', 'grep CapEff /proc/self/status']);
    assert.equal(code, 0);
    const effective = BigInt(`0x${/([0-9a-f]{16})/.exec(output)?.[1] ?? 'f'}`);
    const [netAdmin, sysAdmin] = [12n, 21n];
    assert.equal((effective >> netAdmin) & 1n, 0n, mode);
    assert.equal((effective >> sysAdmin) & 1n, 0n, mode);
  },

  async 'twenty pods come and go, and their links with them'({ network }) {
    const before = readdirSync('/sys/class/net').length;
    const many = await Promise.all(Array.from({ length: 20 }, () => createPod(network)));
    assert.equal(new Set(many.map(({ ip }) => ip)).size, 20);
    const server = many[19] as PodSandbox;
    await serve(server, 80, 'last');
    assert.equal((await curl(many[0] as PodSandbox, `http://${server.ip}/`)).output, 'last');
    await Promise.all(many.map((pod) => pod.destroy()));
    await eventually(() => assert.equal(readdirSync('/sys/class/net').length, before));
    const [error] = await once(connect({ host: server.ip, port: 80 }), 'error');
    assert.match((error as { code: string }).code, /EHOSTUNREACH|ENETUNREACH/);
    assert.throws(() => server.spawn({ argv: ['true'], env: {}, mounts: [], hostname: 'x', stdio: 'ignore' }), /is gone/);
  },
};
