import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkSupport } from './check-support.ts';

const object = (kind: string, spec: unknown, apiVersion = 'networking.istio.io/v1') => ({
  apiVersion,
  kind,
  metadata: { name: 'x', namespace: 'default' },
  spec,
});

const cases: [kind: string, spec: unknown, paths: string[]][] = [
  ['AuthorizationPolicy', {}, ['']],
  [
    'Gateway',
    { servers: [{ port: { number: 80, protocol: 'HTTP' } }, { port: { number: 443, protocol: 'HTTPS' }, tls: { mode: 'SIMPLE' } }] },
    ['spec.servers[1].tls'],
  ],
  ['Gateway', { servers: [{ port: { number: 443, protocol: 'TLS' }, tls: { mode: 'PASSTHROUGH' } }] }, []],
  [
    'DestinationRule',
    { host: 'a', trafficPolicy: { tls: { mode: 'DISABLE' } }, subsets: [{ name: 's', trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } }] },
    ['spec.subsets[0].trafficPolicy.tls.mode'],
  ],
  [
    'VirtualService',
    { http: [{ match: [{ headers: { '@request.auth.claims.sub': { exact: 'a' } } }] }] },
    ['spec.http[0].match[0].headers'],
  ],
  ['Sidecar', { ingress: [{}], egress: [{ hosts: ['*/*'] }] }, ['spec.ingress']],
  ['Telemetry', { tracing: [{}] }, ['spec.tracing']],
  ['ServiceEntry', { hosts: ['a'] }, []],
];

for (const [kind, spec, paths] of cases) {
  test(`${kind} ${JSON.stringify(spec)} is warned about at ${JSON.stringify(paths)}`, () => {
    assert.deepEqual(
      checkSupport(object(kind, spec)).map(({ path }) => path),
      paths,
    );
  });
}

test('a Gateway of another API is none of ours', () =>
  assert.deepEqual(checkSupport(object('Gateway', {}, 'gateway.networking.k8s.io/v1')), []));
