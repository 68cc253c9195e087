import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '@lateen/kube/types';
import { parseAllDocuments } from 'yaml';
import { ingestAll } from '../ingest/index.ts';
import { checkReferences } from './check-references.ts';

const objects = (text: string): KubeObject[] => parseAllDocuments(text).map((document) => document.toJS() as KubeObject);

const snapshot = ingestAll(
  objects(`
{ apiVersion: v1, kind: Service, metadata: { name: reviews, namespace: default }, spec: { clusterIP: 10.0.0.1, ports: [{ name: http, port: 80 }] } }
---
{ apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: { name: reviews, namespace: default }, spec: { host: reviews, subsets: [{ name: v1 }] } }
---
{ apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: { name: first, namespace: default }, spec: { hosts: [taken], exportTo: [., b], http: [{ route: [{ destination: { host: reviews } }] }] } }
---
{ apiVersion: networking.istio.io/v1, kind: Gateway, metadata: { name: narrow, namespace: default }, spec: { servers: [{ port: { number: 80 }, hosts: [reviews.default.svc.cluster.local] }] } }
`),
);

const virtualService = (spec: string): KubeObject =>
  objects(
    `{ apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: { name: rule, namespace: default }, spec: ${spec} }`,
  )[0] as KubeObject;

const cases: [name: string, spec: string, expected: [code: string, path: string, text: RegExp][]][] = [
  ['a known host and subset', '{ hosts: [reviews], http: [{ route: [{ destination: { host: reviews, subset: v1 } }] }] }', []],
  [
    'an unknown host',
    '{ hosts: [x], http: [{ route: [{ destination: { host: nowhere } }] }] }',
    [['IST0101', 'spec.http[0].route[0].destination.host', /nowhere\.default\.svc/]],
  ],
  [
    'an unknown subset',
    '{ hosts: [reviews], http: [{ mirror: { host: reviews, subset: v9 } }] }',
    [['IST0101', 'spec.http[0].mirror.subset', /Its subsets are v1/]],
  ],
  [
    'a host that another VirtualService has',
    '{ hosts: [x.example.com, taken.default.svc.cluster.local] }',
    [['IST0109', 'spec.hosts[1]', /VirtualService default\/first defines the same host taken\.default\.svc\.cluster\.local/]],
  ],
  ['the same host, seen by other namespaces only', '{ hosts: [taken], exportTo: [c] }', []],
  ['the same host at a gateway', '{ hosts: [taken], gateways: [narrow] }', [['IST0132', 'spec.hosts', /serves reviews\.default.*404/]]],
  ['an unknown gateway', '{ hosts: ["*"], gateways: [other/gone] }', [['IST0101', 'spec.gateways[0]', /other\/gone/]]],
  ['hosts that do not meet', '{ hosts: [a.example.com], gateways: [narrow] }', [['IST0132', 'spec.hosts', /serves reviews\.default.*404/]]],
  [
    "the tutorial's trap: every host, but a gateway for one",
    '{ hosts: ["*"], gateways: [narrow] }',
    [['LAT0102', 'spec.hosts', /another Host header/]],
  ],
];

for (const [name, spec, expected] of cases) {
  test(`${name} gives ${expected.length === 0 ? 'no warning' : expected.map(([code]) => code).join(', ')}`, () => {
    const findings = checkReferences(virtualService(spec), snapshot);
    assert.deepEqual(
      findings.map(({ code, path }) => [code, path]),
      expected.map(([code, path]) => [code, path]),
    );
    for (const [index, [, , text]] of expected.entries()) assert.match(`${findings[index]?.message} ${findings[index]?.fix}`, text);
  });
}

test('a DestinationRule for nobody, and a Gateway without pods, are warned about', () => {
  const of = (kind: string, spec: object) =>
    checkReferences({ apiVersion: 'networking.istio.io/v1', kind, metadata: { name: 'x', namespace: 'default' }, spec }, snapshot);
  assert.deepEqual(
    of('DestinationRule', { host: 'nowhere' }).map(({ code }) => code),
    ['IST0174'],
  );
  assert.deepEqual(of('DestinationRule', { host: '*.example.com' }), []);
  assert.deepEqual(
    of('Gateway', { selector: { istio: 'nobody' } }).map(({ code }) => code),
    ['IST0101'],
  );
});
