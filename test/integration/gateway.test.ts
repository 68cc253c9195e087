// One control plane on a folder of YAML, one ingress gateway: Lateen's proxy and, where it is installed, real Envoy. Both must do
// the same with the same configuration and the same requests, and it must be what Istio's API says.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { runControlPlane } from '@lateen/control';
import { type Echo, freePort, startEchoUpstream } from '../support/echo-upstream.ts';
import { noEnvoy, startEnvoy } from '../support/envoy.ts';
import { type HttpAnswer, type HttpOptions, httpRequest } from '../support/http.ts';
import { checkout } from '../support/mesh.ts';
import { exitOf } from '../support/run.ts';

type Engine = { name: string; start: (bootstrap: string) => ChildProcess; skip: string | undefined };

const ENGINES: Engine[] = [
  {
    name: "Lateen's proxy",
    start: (bootstrap) => spawn(join(checkout, 'lateen'), ['proxy', '-c', bootstrap], { stdio: ['ignore', 'pipe', 'pipe'] }),
    skip: undefined,
  },
  { name: 'Envoy', start: startEnvoy, skip: noEnvoy },
];

type Case = {
  name: string;
  path: string;
  options?: HttpOptions;
  status: number;
  upstream?: string;
  seen?: Partial<Echo>;
  headers?: Record<string, string>;
};

const host = { host: 'shop.example.com' };

const CASES: Case[] = [
  { name: 'an exact path', path: '/exact', options: { headers: host }, status: 200, upstream: 'v1', seen: { path: '/exact' } },
  { name: 'an exact path does not match what is longer', path: '/exact/more', options: { headers: host }, status: 404 },
  {
    name: 'a prefix, rewritten',
    path: '/old/thing?q=1',
    options: { headers: host },
    status: 200,
    upstream: 'v1',
    seen: { path: '/new/thing?q=1' },
  },
  { name: 'a regular expression must match the whole path', path: '/item/12', options: { headers: host }, status: 200, upstream: 'v2' },
  { name: 'and not only a part', path: '/item/12x', options: { headers: host }, status: 404 },
  { name: 'a header picks the subset', path: '/user', options: { headers: { ...host, 'end-user': 'jason' } }, status: 200, upstream: 'v2' },
  { name: 'without it the default', path: '/user', options: { headers: host }, status: 200, upstream: 'v1' },
  {
    name: 'a method',
    path: '/method',
    options: { method: 'POST', headers: host, body: 'x' },
    status: 200,
    upstream: 'v2',
    seen: { method: 'POST', body: 'x' },
  },
  { name: 'another method', path: '/method', options: { headers: host }, status: 404 },
  { name: 'a query parameter', path: '/query?beta=yes', options: { headers: host }, status: 200, upstream: 'v2' },
  { name: 'another query parameter', path: '/query?beta=no', options: { headers: host }, status: 200, upstream: 'v1' },
  { name: 'a redirect', path: '/moved', options: { headers: host }, status: 301, headers: { location: 'http://shop.example.com/target' } },
  { name: 'a direct response', path: '/teapot', options: { headers: host }, status: 418 },
  { name: 'an abort', path: '/broken', options: { headers: host }, status: 555 },
  { name: 'an unknown subset', path: '/nowhere', options: { headers: host }, status: 503 },
  { name: 'a timeout', path: '/slow?delay=3000', options: { headers: host }, status: 504 },
  {
    name: 'header operations',
    path: '/headers',
    options: { headers: { ...host, 'x-gone': '1' } },
    status: 200,
    upstream: 'v1',
    headers: { 'x-answer': 'added' },
  },
  { name: 'a host that no rule has', path: '/exact', options: { headers: { host: 'other.example.com' } }, status: 404 },
  {
    name: 'the host is compared without its port and case',
    path: '/exact',
    options: { headers: { host: 'SHOP.example.com:8080' } },
    status: 200,
    upstream: 'v1',
  },
  {
    name: 'dot segments are resolved before routing',
    path: '/a/../exact',
    options: { headers: host },
    status: 200,
    upstream: 'v1',
    seen: { path: '/exact' },
  },
  { name: 'an upstream error is passed on', path: '/exact?status=500', options: { headers: host }, status: 500, upstream: 'v1' },
];

for (const engine of ENGINES) {
  test(`the ingress gateway, by ${engine.name}`, { skip: engine.skip ?? false }, async (t) => {
    const gateway = await startGateway(t, engine);
    for (const { name, path, options, status, upstream, seen, headers } of CASES) {
      await t.test(name, async () => {
        const answer = await rawPathRequest(`${gateway}`, path, options);
        assert.equal(answer.status, status, answer.body);
        if (upstream) assert.equal(answer.headers['x-upstream'], upstream);
        const echo = upstream ? (JSON.parse(answer.body) as Echo) : undefined;
        for (const [key, value] of Object.entries(seen ?? {})) assert.equal(echo?.[key as keyof Echo], value, key);
        for (const [key, value] of Object.entries(headers ?? {})) assert.equal(answer.headers[key], value, key);
        if (path === '/headers') {
          assert.equal(echo?.headers['x-gone'], undefined);
          assert.equal(echo?.headers['x-new'], 'set');
        }
        assert.match(String(answer.headers.server), /envoy/);
      });
    }
    await t.test('a split follows its weights', async () => {
      const seen = new Map<unknown, number>();
      for (let i = 0; i < 300; i++) {
        const { headers: answered } = await httpRequest(`${gateway}/split`, { headers: host });
        seen.set(answered['x-upstream'], (seen.get(answered['x-upstream']) ?? 0) + 1);
      }
      const sigma = Math.sqrt(300 * 0.8 * 0.2);
      assert.ok(Math.abs((seen.get('v1') ?? 0) - 240) <= 4 * sigma, JSON.stringify([...seen]));
    });
  });
}

// node:http sends a path as it is given, so dot segments reach the gateway.
function rawPathRequest(base: string, path: string, options: HttpOptions = {}): Promise<HttpAnswer> {
  return httpRequest(base, { ...options, rawPath: path });
}

async function startGateway(t: TestContext, engine: Engine): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'lateen-gateway-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [v1, v2, port, admin] = await Promise.all([startEchoUpstream(t, 'v1'), startEchoUpstream(t, 'v2'), freePort(), freePort()]);
  const configDir = join(folder, 'objects');
  mkdirSync(configDir);
  writeFileSync(join(configDir, 'objects.yaml'), objects({ v1, v2, port }));
  const controlPlane = await runControlPlane(['--config-dir', configDir, '--xds', '127.0.0.1:0', '--http', '127.0.0.1:0']);
  t.after(() => controlPlane.close());
  const bootstrap = join(folder, 'bootstrap.yaml');
  writeFileSync(bootstrap, bootstrapYaml({ xds: controlPlane.ports.xds, admin }));
  const child = engine.start(bootstrap);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk;
    });
  }
  t.after(async () => {
    child.kill('SIGTERM');
    await exitOf(child);
  });
  const url = `http://127.0.0.1:${port}`;
  await eventually(
    async () => {
      assert.equal(child.exitCode, null, output);
      assert.equal((await httpRequest(`${url}/exact`, { headers: host })).status, 200, output);
    },
    { timeoutMs: 20_000 },
  );
  return url;
}

function bootstrapYaml({ xds, admin }: { xds: number; admin: number }): string {
  return `
node:
  id: router~127.0.0.1~istio-ingressgateway-test.istio-system~istio-system.svc.cluster.local
  cluster: istio-ingressgateway.istio-system
  metadata:
    NAMESPACE: istio-system
    LABELS: { app: istio-ingressgateway, istio: ingressgateway }
admin:
  address: { socket_address: { address: 127.0.0.1, port_value: ${admin} } }
dynamic_resources:
  ads_config:
    api_type: GRPC
    transport_api_version: V3
    grpc_services: [{ envoy_grpc: { cluster_name: xds-grpc } }]
  cds_config: { ads: {}, resource_api_version: V3 }
  lds_config: { ads: {}, resource_api_version: V3 }
static_resources:
  clusters:
  - name: xds-grpc
    type: STATIC
    connect_timeout: 5s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: {} }
    load_assignment:
      cluster_name: xds-grpc
      endpoints:
      - lb_endpoints:
        - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${xds} } } }
`;
}

function objects({ v1, v2, port }: { v1: number; v2: number; port: number }): string {
  return `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: shop, namespace: default }
spec:
  hosts: [shop.internal]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints:
  - { address: 127.0.0.1, ports: { http: ${v1} }, labels: { version: v1 } }
  - { address: 127.0.0.1, ports: { http: ${v2} }, labels: { version: v2 } }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: shop, namespace: default }
spec:
  host: shop.internal
  subsets:
  - { name: v1, labels: { version: v1 } }
  - { name: v2, labels: { version: v2 } }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: shop, namespace: default }
spec:
  selector: { istio: ingressgateway }
  servers:
  - port: { number: ${port}, name: http, protocol: HTTP }
    hosts: ["*.example.com"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop, namespace: default }
spec:
  hosts: [shop.example.com]
  gateways: [shop]
  http:
  - match: [{ uri: { exact: /exact } }]
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { prefix: /old } }]
    rewrite: { uri: /new }
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { regex: "/item/[0-9]+" } }]
    route: [{ destination: { host: shop.internal, subset: v2 } }]
  - match: [{ uri: { prefix: /user }, headers: { end-user: { exact: jason } } }]
    route: [{ destination: { host: shop.internal, subset: v2 } }]
  - match: [{ uri: { prefix: /user } }]
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { exact: /method }, method: { exact: POST } }]
    route: [{ destination: { host: shop.internal, subset: v2 } }]
  - match: [{ uri: { exact: /query }, queryParams: { beta: { exact: "yes" } } }]
    route: [{ destination: { host: shop.internal, subset: v2 } }]
  - match: [{ uri: { exact: /query } }]
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { exact: /moved } }]
    redirect: { uri: /target }
  - match: [{ uri: { exact: /teapot } }]
    directResponse: { status: 418, body: { string: short and stout } }
  - match: [{ uri: { exact: /broken } }]
    fault: { abort: { httpStatus: 555, percentage: { value: 100 } } }
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { exact: /nowhere } }]
    route: [{ destination: { host: shop.internal, subset: v9 } }]
  - match: [{ uri: { exact: /slow } }]
    timeout: 0.3s
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { exact: /headers } }]
    headers:
      request: { set: { x-new: set }, remove: [x-gone] }
      response: { add: { x-answer: added } }
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { exact: /split } }]
    route:
    - { destination: { host: shop.internal, subset: v1 }, weight: 80 }
    - { destination: { host: shop.internal, subset: v2 }, weight: 20 }
`;
}
