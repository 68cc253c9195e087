// Transparent capture: programs that know nothing of the mesh are routed, measured and logged by it; programs outside of it work too.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { cannotRun, type Mesh, samples, startMesh } from '../support/mesh.ts';
import { samplesOf, sumOf } from '../support/prometheus.ts';
import { waitForPods } from './bookinfo-tutorial.ts';

const HELLO = 'http://helloworld:5000/hello';

for (const rung of ['root', 'rootless'] as const) {
  test(`transparent capture on the ${rung} rung`, { skip: (await cannotRun(rung)) ?? false }, async (t) => {
    const mesh = await startMesh(t, { rung });
    await mesh.kubectl(['label', 'namespace', 'default', 'istio-injection=enabled']);
    await mesh.kubectl(['create', 'namespace', 'plain']);
    for (const file of ['curl/curl.yaml', 'helloworld/helloworld.yaml', 'tcp-echo/tcp-echo-services.yaml']) {
      await mesh.kubectl(['apply', '-f', join(samples, file)]);
    }
    await mesh.kubectl(['apply', '-f', '-'], { input: metricsApp });
    await mesh.kubectl(['-n', 'plain', 'apply', '-f', join(samples, 'curl/curl.yaml')]);
    await mesh.kubectl(['-n', 'plain', 'apply', '-f', '-'], { input: outsidePods });
    await waitForPods(mesh, 'default', 6);
    await mesh.kubectl(['-n', 'plain', 'wait', '--for=condition=Ready', 'pod', '--all', '--timeout=30s']);
    await mesh.kubectl(['apply', '-f', '-'], { input: rules });
    const inMesh = podShell(mesh, 'default', 'deploy/curl');
    const outside = podShell(mesh, 'plain', 'deploy/curl');
    await eventually(async () => assert.match(await inMesh('curl', '-si', HELLO), /x-rule: helloworld/));

    await t.test('programs that know nothing of the mesh follow its rules', () => followRules(inMesh));
    await t.test('so does a Python script', (context) => followRulesInPython(context, inMesh));
    await t.test('TCP connections are split by weight, and counted on both sides', () => splitConnections(mesh, inMesh));
    await t.test('both sides report the request with its source and destination', () => reportRequests(mesh));
    await t.test("an app's own metrics are merged with the proxy's", () => mergeMetrics(mesh, inMesh));
    await t.test('the access log, in the format of Istio, starts without a restart', () => logAccess(mesh, inMesh));
    await t.test('a pod without sidecar reaches services by every name', () => reachFromOutside(mesh, outside));
    await t.test('a pod in the mesh reaches pods and aliases outside of it', () => reachOutside(inMesh));
    await t.test('an app reaches itself through its own service', () => reachItself(mesh));
    await t.test('excluded ports and ranges are left alone', () => excludeTraffic(mesh, inMesh));
    await t.test('servers outside the cluster are reached, by address and by ServiceEntry', (context) =>
      leaveCluster(context, mesh, inMesh),
    );
    await t.test('an app works on when injection is taken away', () => removeInjection(mesh, inMesh, outside));
  });
}

type Shell = (...command: string[]) => Promise<string>;

/** Runs programs in the curl pod's app container. */
function podShell(mesh: Mesh, namespace: string, pod: string, container = 'curl'): Shell {
  return (...command) => mesh.kubectl(['-n', namespace, 'exec', pod, '-c', container, '--', ...command]);
}

async function followRules(inMesh: Shell): Promise<void> {
  for (let i = 0; i < 5; i++) {
    const answer = await inMesh('curl', '-si', HELLO);
    assert.match(answer, /^x-rule: helloworld\r$/m);
    assert.match(answer, /Hello version: v2/);
  }
  // HTTP typed into a socket: sniffed and routed as any other.
  const typed = `exec 3<>/dev/tcp/helloworld/5000; printf 'GET /hello HTTP/1.1\\r\\nHost: helloworld\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3`;
  assert.match(await inMesh('bash', '-c', typed), /x-rule: helloworld[\s\S]*Hello version: v2/);
}

async function followRulesInPython(t: TestContext, inMesh: Shell): Promise<void> {
  const hasPython = await inMesh('sh', '-c', 'python3 -c pass 2>/dev/null && echo yes || echo no');
  if (hasPython.trim() !== 'yes') return t.skip('python3 does not run in the pod');
  const script = `import urllib.request; r = urllib.request.urlopen("${HELLO}"); print(r.headers["x-rule"], r.read().decode())`;
  assert.match(await inMesh('python3', '-c', script), /^helloworld Hello version: v2/);
}

async function splitConnections(mesh: Mesh, inMesh: Shell): Promise<void> {
  const opened = 'istio_tcp_connections_opened_total';
  const seenBy = async (selector: string, labels: Record<string, string>) => sumOf(await scrape(mesh, selector), opened, labels);
  const toEcho = { destination_service: 'tcp-echo.default.svc.cluster.local', request_protocol: 'tcp' };
  const count = 200;
  const talk = `for i in $(seq ${count}); do exec 3<>/dev/tcp/tcp-echo/9000; echo hi >&3; read -r line <&3; echo "$line"; exec 3>&-; done`;
  const lines = (await inMesh('bash', '-c', talk)).trim().split('\n');
  const versions = { v1: lines.filter((line) => line === 'one hi').length, v2: lines.filter((line) => line === 'two hi').length };
  assert.equal(versions.v1 + versions.v2, count, lines.slice(0, 5).join('|'));
  // Five standard deviations of a binomial 80/20.
  assert.ok(Math.abs(versions.v1 - count * 0.8) < 5 * Math.sqrt(count * 0.8 * 0.2), JSON.stringify(versions));
  await eventually(async () => {
    for (const version of ['v1', 'v2'] as const) {
      const workload = { ...toEcho, destination_workload: `tcp-echo-${version}` };
      assert.equal(await seenBy('app=curl', { ...workload, reporter: 'source', source_workload: 'curl' }), versions[version]);
      assert.equal(await seenBy(`app=tcp-echo,version=${version}`, { ...workload, reporter: 'destination' }), versions[version]);
    }
    const closed = sumOf(await scrape(mesh, 'app=curl'), 'istio_tcp_connections_closed_total', toEcho);
    assert.equal(closed, count);
    const sent = sumOf(await scrape(mesh, 'app=curl'), 'istio_tcp_received_bytes_total', toEcho);
    assert.equal(sent, count * 'hi\n'.length);
  });
}

async function reportRequests(mesh: Mesh): Promise<void> {
  const labels = {
    source_workload: 'curl',
    source_workload_namespace: 'default',
    source_canonical_service: 'curl',
    destination_workload: 'helloworld-v2',
    destination_workload_namespace: 'default',
    destination_service: 'helloworld.default.svc.cluster.local',
    destination_service_name: 'helloworld',
    destination_version: 'v2',
    request_protocol: 'http',
    response_code: '200',
    response_flags: '-',
  };
  const client = await scrape(mesh, 'app=curl');
  const server = await scrape(mesh, 'app=helloworld,version=v2');
  const [fromClient] = samplesOf(client, 'istio_requests_total', { ...labels, reporter: 'source' });
  const [fromServer] = samplesOf(server, 'istio_requests_total', { ...labels, reporter: 'destination' });
  assert.ok(fromClient, `the client's side has no such series:\n${grep(client, 'istio_requests_total')}`);
  assert.ok(fromServer, `the server's side has no such series:\n${grep(server, 'istio_requests_total')}`);
  assert.equal(fromClient.value, fromServer.value);
  assert.ok(fromClient.value >= 6);
  for (const name of ['istio_request_duration_milliseconds', 'istio_request_bytes', 'istio_response_bytes']) {
    assert.equal(sumOf(client, `${name}_count`, { ...labels, reporter: 'source' }), fromClient.value, name);
  }
}

async function mergeMetrics(mesh: Mesh, inMesh: Shell): Promise<void> {
  assert.equal((await inMesh('curl', '-s', 'http://metrics-app:9100/')).trim(), 'hello');
  await eventually(async () => {
    const merged = await scrape(mesh, 'app=metrics-app');
    assert.equal(sumOf(merged, 'app_widgets_total', { color: 'blue' }), 7);
    assert.equal(sumOf(merged, 'istio_requests_total', { reporter: 'destination', source_workload: 'curl' }), 1);
  });
  const annotations = JSON.parse(
    await mesh.kubectl(['get', 'pod', '-l', 'app=metrics-app', '-o', 'jsonpath={.items[0].metadata.annotations}']),
  ) as Record<string, string>;
  assert.equal(annotations['prometheus.io/port'], '15020');
  assert.equal(annotations['prometheus.io/path'], '/stats/prometheus');
}

async function logAccess(mesh: Mesh, inMesh: Shell): Promise<void> {
  const config = ['-n', 'istio-system', 'configmap', 'istio'] as const;
  const before = await mesh.kubectl(['get', ...config, '-o', 'jsonpath={.data.mesh}']);
  const patch = JSON.stringify({ data: { mesh: `${before.trimEnd()}\naccessLogFile: /dev/stdout\n` } });
  await mesh.kubectl(['patch', ...config, '--type', 'merge', '-p', patch]);
  const time = String.raw`\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\]`;
  const address = String.raw`\d+\.\d+\.\d+\.\d+:\d+`;
  const ends = (cluster: string, route: string) => `"${address}" ${cluster} ${address} ${address} ${address} - ${route}$`;
  const request = String.raw`"GET /hello\?log HTTP/1\.1" 200 - via_upstream - "-" 0 \d+ \d+ \d+ "-" "curl/[^"]+" "[0-9a-f-]{36}" "helloworld:5000"`;
  const clusterOf = (host: string) => host.replaceAll('|', String.raw`\|`).replaceAll('.', String.raw`\.`);
  await eventually(async () => {
    await inMesh('curl', '-s', `${HELLO}?log`);
    const client = await proxyLog(mesh, 'deploy/curl');
    assert.match(client, line(time, request, ends(clusterOf('outbound|5000|v2|helloworld.default.svc.cluster.local'), '-')));
    const server = await proxyLog(mesh, 'deploy/helloworld-v2');
    assert.match(server, line(time, request, ends(clusterOf('inbound|5000||'), 'default')));
  });
  await inMesh('bash', '-c', 'exec 3<>/dev/tcp/tcp-echo/9000; echo hi >&3; read -r line <&3');
  const connection = String.raw`"- - -" 0 - - - "-" 3 7 \d+ - "-" "-" "-" "-"`;
  const cluster = String.raw`outbound\|9000\|v[12]\|tcp-echo\.default\.svc\.cluster\.local`;
  await eventually(async () => assert.match(await proxyLog(mesh, 'deploy/curl'), line(time, connection, ends(cluster, '-'))));
}

async function reachFromOutside(mesh: Mesh, outside: Shell): Promise<void> {
  const clusterIp = await mesh.kubectl(['get', 'service', 'helloworld', '-o', 'jsonpath={.spec.clusterIP}']);
  const podIp = await mesh.kubectl(['get', 'pod', '-l', 'app=helloworld,version=v2', '-o', 'jsonpath={.items[0].status.podIP}']);
  const hosts = [
    clusterIp,
    podIp,
    'helloworld.default',
    'helloworld.default.svc',
    'helloworld.default.svc.cluster.local',
    'headless',
    'hello-0.headless',
    'hello-0.headless.plain.svc.cluster.local',
    'alias',
  ];
  for (const host of hosts) assert.match(await outside('curl', '-sS', `http://${host}:5000/hello`), /^Hello version: v/, host);
  // A rule of the mesh is its clients' business: a client outside gets both versions.
  const many = await outside('sh', '-c', 'for i in $(seq 20); do curl -s http://helloworld.default:5000/hello; done');
  assert.match(many, /version: v1/);
  assert.match(many, /version: v2/);
}

async function reachOutside(inMesh: Shell): Promise<void> {
  for (const host of ['headless.plain', 'hello-0.headless.plain', 'alias.plain']) {
    const answer = await inMesh('curl', '-sSi', `http://${host}:5000/hello`);
    assert.match(answer, /Hello version: v/, host);
    assert.match(answer, /^server: envoy\r$/m, `${host} was not reached through the sidecar`);
  }
}

async function reachItself(mesh: Mesh): Promise<void> {
  const itself = podShell(mesh, 'default', 'deploy/helloworld-v2', 'helloworld');
  const clusterIp = await mesh.kubectl(['get', 'service', 'helloworld', '-o', 'jsonpath={.spec.clusterIP}']);
  for (const host of [clusterIp, 'helloworld', 'localhost', '127.0.0.1']) {
    assert.match(await itself('curl', '-sS', `http://${host}:5000/hello`), /Hello version: v2/, host);
  }
}

async function excludeTraffic(mesh: Mesh, inMesh: Shell): Promise<void> {
  const outbound = {
    'exclude-port': '{traffic.sidecar.istio.io/excludeOutboundPorts: "5000"}',
    'exclude-range': '{traffic.sidecar.istio.io/excludeOutboundIPRanges: 10.96.0.0/16}',
    'include-range': '{traffic.sidecar.istio.io/includeOutboundIPRanges: 10.97.0.0/16}',
  };
  const pods = Object.entries(outbound).map(([name, annotations]) => curlPod(name, annotations));
  pods.push(
    curlPod(
      'include-port',
      '{traffic.sidecar.istio.io/includeOutboundIPRanges: 10.97.0.0/16, traffic.sidecar.istio.io/includeOutboundPorts: "5000"}',
    ),
  );
  await mesh.kubectl(['apply', '-f', '-'], { input: [...pods, uncapturedServer].join('\n---\n') });
  await mesh.kubectl(['wait', '--for=condition=Ready', 'pod', '-l', 'excluded', '--timeout=30s']);
  for (const name of Object.keys(outbound)) {
    const answer = await podShell(mesh, 'default', `pod/${name}`)('curl', '-sSi', HELLO);
    assert.match(answer, /Hello version: v/);
    assert.doesNotMatch(answer, /x-rule|server: envoy/, `${name} was captured`);
  }
  assert.match(await podShell(mesh, 'default', 'pod/include-port')('curl', '-sSi', HELLO), /x-rule: helloworld/);
  // A port that is not captured on its way in: the server's sidecar never sees it.
  const ip = await mesh.kubectl(['get', 'pod', 'exclude-inbound', '-o', 'jsonpath={.status.podIP}']);
  assert.match(await inMesh('curl', '-sS', `http://${ip}:5000/hello`), /Hello version: v1/);
  assert.deepEqual(samplesOf(await scrape(mesh, 'app=exclude-inbound'), 'istio_requests_total'), []);
  await mesh.kubectl(['delete', 'pod', '-l', 'excluded', '--wait=false']);
}

async function leaveCluster(t: TestContext, mesh: Mesh, inMesh: Shell): Promise<void> {
  const address = Object.values(networkInterfaces())
    .flat()
    .find((one) => one && !one.internal && one.family === 'IPv4')?.address;
  if (!address) return t.skip('this machine has no address besides loopback');
  const server = createServer((request, response) => response.end(`host ${request.headers.host} ${request.headers['x-added'] ?? '-'}\n`));
  t.after(() => server.close());
  await new Promise<void>((listening) => server.listen(0, address, listening));
  const { port } = server.address() as AddressInfo;
  assert.equal(await inMesh('curl', '-sS', `http://${address}:${port}/`), `host ${address}:${port} -\n`);
  await mesh.kubectl(['apply', '-f', '-'], { input: hostServer(address, port) });
  await eventually(async () => {
    const answer = await inMesh('curl', '-sS', '-H', 'Host: host.example.com', 'http://240.240.0.7/');
    assert.equal(answer, 'host host.example.com by-rule\n');
  });
  assert.match(await inMesh('curl', '-sS', `http://on-host:${port}/`), /^host on-host/);
  const labels = { reporter: 'source', destination_service: 'host.example.com', response_code: '200' };
  await eventually(async () => assert.ok(sumOf(await scrape(mesh, 'app=curl'), 'istio_requests_total', labels) >= 1));
}

async function removeInjection(mesh: Mesh, inMesh: Shell, outside: Shell): Promise<void> {
  await mesh.kubectl(['label', 'namespace', 'default', 'istio-injection-']);
  await mesh.kubectl(['rollout', 'restart', 'deployment/helloworld-v1', 'deployment/helloworld-v2']);
  for (const version of ['v1', 'v2']) await mesh.kubectl(['rollout', 'status', `deployment/helloworld-${version}`, '--timeout=30s']);
  await eventually(async () => {
    const pods = await mesh.kubectl(['get', 'pods', '-l', 'app=helloworld', '--no-headers']);
    assert.equal(pods.split('\n').filter((row) => / 1\/1 +Running /.test(row)).length, 2, pods);
  });
  assert.match(await outside('curl', '-sS', 'http://helloworld.default:5000/hello'), /Hello version: v/);
  // Clients in the mesh keep their rules for servers that left it.
  await eventually(async () => assert.match(await inMesh('curl', '-sSi', HELLO), /x-rule: helloworld[\s\S]*Hello version: v2/));
  await mesh.kubectl(['delete', 'virtualservice,destinationrule', '--all']);
  await mesh.kubectl(['rollout', 'restart', 'deployment/curl']);
  await mesh.kubectl(['rollout', 'status', 'deployment/curl', '--timeout=30s']);
  await eventually(async () => {
    const answer = await inMesh('curl', '-sSi', HELLO);
    assert.match(answer, /Hello version: v/);
    assert.doesNotMatch(answer, /server: envoy/);
  });
}

/** The merged metrics of the first pod with these labels, through the API server as Prometheus' users do. */
async function scrape(mesh: Mesh, selector: string): Promise<string> {
  const pod = await mesh.kubectl(['get', 'pod', '-l', selector, '-o', 'jsonpath={.items[0].metadata.name}']);
  return mesh.kubectl(['get', '--raw', `/api/v1/namespaces/default/pods/${pod}:15020/proxy/stats/prometheus`]);
}

const proxyLog = (mesh: Mesh, pod: string): Promise<string> => mesh.kubectl(['logs', pod, '-c', 'istio-proxy', '--tail=40']);
const line = (...parts: string[]): RegExp => new RegExp(`^${parts.join(' ')}`, 'm');
const grep = (text: string, word: string): string =>
  text
    .split('\n')
    .filter((row) => row.includes(word))
    .join('\n');

const rules = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: helloworld }
spec:
  host: helloworld
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: helloworld }
spec:
  hosts: [helloworld]
  http:
    - headers: { response: { add: { x-rule: helloworld } } }
      route: [{ destination: { host: helloworld, subset: v2 } }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: tcp-echo }
spec:
  host: tcp-echo
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: tcp-echo }
spec:
  hosts: [tcp-echo]
  tcp:
    - match: [{ port: 9000 }]
      route:
        - { destination: { host: tcp-echo, subset: v1, port: { number: 9000 } }, weight: 80 }
        - { destination: { host: tcp-echo, subset: v2, port: { number: 9000 } }, weight: 20 }
`;

const metricsApp = `
apiVersion: v1
kind: Service
metadata: { name: metrics-app }
spec: { selector: { app: metrics-app }, ports: [{ name: http, port: 9100 }] }
---
apiVersion: v1
kind: Pod
metadata:
  name: metrics-app
  labels: { app: metrics-app }
  annotations: { prometheus.io/scrape: "true", prometheus.io/port: "9100", prometheus.io/path: /my-metrics }
spec:
  containers:
    - name: app
      image: node
      ports: [{ containerPort: 9100 }]
      command:
        - node
        - -e
        - |
          const metrics = '# TYPE app_widgets_total counter\\napp_widgets_total{color="blue"} 7\\n';
          require('http').createServer((q, r) => r.end(q.url === '/my-metrics' ? metrics : 'hello\\n')).listen(9100);
`;

const outsidePods = `
apiVersion: v1
kind: Service
metadata: { name: headless }
spec: { clusterIP: None, selector: { app: hello }, ports: [{ name: http, port: 5000 }] }
---
apiVersion: v1
kind: Service
metadata: { name: alias }
spec: { type: ExternalName, externalName: helloworld.default.svc.cluster.local, ports: [{ name: http, port: 5000 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: hello-0, labels: { app: hello } }
spec:
  hostname: hello-0
  subdomain: headless
  containers: [{ name: helloworld, image: docker.io/istio/examples-helloworld-v1:1.0 }]
`;

const curlPod = (name: string, annotations: string): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { excluded: outbound }, annotations: ${annotations} }
spec:
  terminationGracePeriodSeconds: 0
  containers: [{ name: curl, image: curlimages/curl, command: [/bin/sleep, infinity] }]
`;

const uncapturedServer = `
apiVersion: v1
kind: Pod
metadata:
  name: exclude-inbound
  labels: { excluded: inbound, app: exclude-inbound }
  annotations: { traffic.sidecar.istio.io/excludeInboundPorts: "5000" }
spec:
  terminationGracePeriodSeconds: 0
  containers: [{ name: helloworld, image: docker.io/istio/examples-helloworld-v1:1.0, ports: [{ containerPort: 5000 }] }]
`;

const hostServer = (address: string, port: number): string => `
apiVersion: v1
kind: Service
metadata: { name: on-host }
spec: { type: ExternalName, externalName: ${address}, ports: [{ name: http, port: ${port} }] }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: host-server }
spec:
  hosts: [host.example.com]
  addresses: [240.240.0.7]
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${port} }]
  resolution: STATIC
  location: MESH_EXTERNAL
  endpoints: [{ address: ${address} }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: host-server }
spec:
  hosts: [host.example.com]
  http:
    - headers: { request: { add: { x-added: by-rule } } }
      route: [{ destination: { host: host.example.com } }]
`;
