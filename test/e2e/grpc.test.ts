// gRPC and HTTP/2 in the mesh: balanced by call and not by connection, routed by headers, measured with its status, from a pod and
// through the gateway; HTTP/1.1 clients of services that are upgraded.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { httpRequest } from '../support/http.ts';
import { cannotRun, checkout, type Mesh, samples, startMesh } from '../support/mesh.ts';
import { samplesOf } from '../support/prometheus.ts';
import { callGreeter, type GreeterCall, type GreeterMethod } from './programs/greeter.ts';

const PROGRAM = join(checkout, 'test/e2e/programs/greeter.ts');
const GREETER = 'greeter.default.svc.cluster.local:50051';
const NOT_FOUND = 5;

for (const rung of ['root', 'proxy'] as const) {
  test(`gRPC and HTTP/2 on the ${rung} rung`, { skip: (await cannotRun(rung)) ?? false }, async (t) => {
    const mesh = await startMesh(t, { rung });
    await mesh.kubectl(['label', 'namespace', 'default', 'istio-injection=enabled']);
    await mesh.kubectl(['apply', '-f', '-'], { input: greeters });
    await mesh.kubectl(['apply', '-f', join(samples, 'helloworld/helloworld.yaml')]);
    await mesh.kubectl(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=60s']);
    await eventually(async () => assert.equal((await callFromPod(mesh, 'SayHello'))[0]?.code, 0), { timeoutMs: 20_000 });

    await t.test('the calls of one connection are balanced', async () => {
      const calls = await callFromPod(mesh, 'SayHello', { count: 20 });
      assert.deepEqual(versionsOf(calls), ['v1', 'v2']);
    });
    await t.test('messages of a stream arrive', async () => {
      const [call] = await callFromPod(mesh, 'SayMany');
      assert.equal(call?.code, 0);
      assert.match(call?.messages.join() ?? '', /^hello from (v[12]) 1,hello from \1 2,hello from \1 3$/);
    });
    await t.test('a status that is not OK arrives and is counted as such', async () => {
      assert.deepEqual(await callFromPod(mesh, 'Fail', { count: 3 }), Array(3).fill({ messages: [], code: NOT_FOUND }));
      await eventually(() => countStatuses(mesh));
    });
    await t.test('a rule routes by a header', () => routeByHeader(mesh));
    await t.test('the gateway takes gRPC and routes it by the same header', () => enterThroughGateway(mesh));
    await t.test('HTTP/1.1 clients reach upgraded services: one that speaks HTTP/2 only, and one behind a sidecar', () => upgrade(mesh));
  });
}

type CallOptions = { count?: number; headers?: Record<string, string> };

/** Calls out of the client pod's application. */
async function callFromPod(mesh: Mesh, method: GreeterMethod, { count = 1, headers = {} }: CallOptions = {}): Promise<GreeterCall[]> {
  const pairs = Object.entries(headers).map(([name, value]) => `${name}=${value}`);
  const command = [process.execPath, PROGRAM, 'call', GREETER, method, String(count), ...pairs];
  const output = await mesh.kubectl(['exec', 'caller', '-c', 'caller', '--', ...command]);
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as GreeterCall);
}

function versionsOf(calls: GreeterCall[]): string[] {
  for (const call of calls) assert.equal(call.code, 0, JSON.stringify(call));
  return [...new Set(calls.map(({ messages }) => messages[0]?.split(' ').at(-1) ?? ''))].sort();
}

async function countStatuses(mesh: Mesh): Promise<void> {
  const labels = { request_protocol: 'grpc', response_code: '200', destination_service: 'greeter.default.svc.cluster.local' };
  const count = async (pods: string[], more: Record<string, string>) => {
    const texts = await Promise.all(
      pods.map((pod) => mesh.kubectl(['get', '--raw', `/api/v1/namespaces/default/pods/${pod}:15020/proxy/stats/prometheus`])),
    );
    return texts
      .flatMap((text) => samplesOf(text, 'istio_requests_total', { ...labels, ...more }))
      .reduce((sum, { value }) => sum + value, 0);
  };
  for (const grpc_response_status of ['0', String(NOT_FOUND)]) {
    const seen = await count(['caller'], { reporter: 'source', source_workload: 'caller', grpc_response_status });
    assert.ok(seen >= 3, `${seen} of status ${grpc_response_status}`);
    assert.equal(await count(['greeter-v1', 'greeter-v2'], { reporter: 'destination', grpc_response_status }), seen);
  }
}

async function routeByHeader(mesh: Mesh): Promise<void> {
  await mesh.kubectl(['apply', '-f', '-'], { input: byHeader });
  await eventually(async () => assert.deepEqual(versionsOf(await callFromPod(mesh, 'SayHello', { count: 10 })), ['v1']));
  const headers = { 'x-release': 'next' };
  assert.deepEqual(versionsOf(await callFromPod(mesh, 'SayHello', { count: 10, headers })), ['v2']);
}

async function enterThroughGateway(mesh: Mesh): Promise<void> {
  const { host } = new URL(await mesh.gatewayUrl());
  await eventually(async () => assert.deepEqual(versionsOf(await callGreeter(host, 'SayHello', { count: 10 })), ['v1']));
  assert.deepEqual(versionsOf(await callGreeter(host, 'SayHello', { count: 10, headers: { 'x-release': 'next' } })), ['v2']);
  assert.deepEqual(await callGreeter(host, 'Fail'), [{ messages: [], code: NOT_FOUND }]);
}

async function upgrade(mesh: Mesh): Promise<void> {
  await mesh.kubectl(['apply', '-f', '-'], { input: upgraded });
  const url = await mesh.gatewayUrl();
  await eventually(async () => {
    const { status, body } = await httpRequest(`${url}/h2c`);
    assert.deepEqual([status, body], [200, 'HTTP/2.0\n']);
  });
  const { status, body } = await httpRequest(`${url}/hello`);
  assert.equal(status, 200, body);
  assert.match(body, /^Hello version: v/);
}

const greeter = (version: string): string => `
apiVersion: v1
kind: Pod
metadata: { name: greeter-${version}, labels: { app: greeter, version: ${version} } }
spec:
  containers:
    - name: greeter
      image: node
      command: [${process.execPath}, ${PROGRAM}, serve, "50051"]
      env: [{ name: VERSION, value: ${version} }]
      ports: [{ containerPort: 50051 }]
`;

const greeters = `
apiVersion: v1
kind: Service
metadata: { name: greeter }
spec: { selector: { app: greeter }, ports: [{ name: grpc, port: 50051 }] }
---${greeter('v1')}---${greeter('v2')}---
apiVersion: v1
kind: Pod
metadata: { name: caller, labels: { app: caller } }
spec:
  terminationGracePeriodSeconds: 0
  containers: [{ name: caller, image: curlimages/curl, command: [/bin/sleep, infinity] }]
---
apiVersion: v1
kind: Service
metadata: { name: h2c }
spec: { selector: { app: h2c }, ports: [{ name: http, port: 80, targetPort: 8091 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: h2c, labels: { app: h2c, sidecar.istio.io/inject: "false" } }
spec:
  containers:
    - name: h2c
      image: node
      ports: [{ containerPort: 8091 }]
      command:
        - ${process.execPath}
        - -e
        - |
          require('http2').createServer((q, r) => r.end('HTTP/' + q.httpVersion + '\\n')).listen(process.env.PORT ?? 8091);
`;

const route = (subset: string) => `route: [{ destination: { host: greeter.default.svc.cluster.local, subset: ${subset} } }]`;

const byHeader = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: greeter }
spec:
  host: greeter
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: front }
spec: { selector: { istio: ingressgateway }, servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: greeter }
spec:
  hosts: [greeter.default.svc.cluster.local]
  http:
    - match: [{ headers: { x-release: { exact: next } } }]
      ${route('v2')}
    - ${route('v1')}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: front }
spec:
  hosts: ["*"]
  gateways: [front]
  http:
    - match: [{ uri: { prefix: /lateen.test.Greeter/ }, headers: { x-release: { exact: next } } }]
      ${route('v2')}
    - match: [{ uri: { prefix: /lateen.test.Greeter/ } }]
      ${route('v1')}
    - match: [{ uri: { prefix: /h2c } }]
      route: [{ destination: { host: h2c } }]
    - match: [{ uri: { prefix: /hello } }]
      route: [{ destination: { host: helloworld } }]
`;

const upgraded = ['h2c', 'helloworld']
  .map(
    (host) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${host} }
spec: { host: ${host}, trafficPolicy: { connectionPool: { http: { h2UpgradePolicy: UPGRADE } } } }
`,
  )
  .join('---');
