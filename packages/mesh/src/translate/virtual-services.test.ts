// Which VirtualService speaks for a host, to whom, and how several combine.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '@lateen/kube/types';
import type { Route } from '@lateen/xds/messages/config';
import { parseAllDocuments } from 'yaml';
import { ingestAll } from '../ingest/index.ts';
import { NO_LOCALITY } from '../model/index.ts';
import type { ProxyScope } from './scope.ts';
import { textOf } from './testing.ts';
import { translate } from './translate.ts';

const SERVICES = `
{ apiVersion: v1, kind: Service, metadata: { name: a, namespace: default }, spec: { clusterIP: 10.0.0.1, ports: [{ name: http, port: 80 }, { name: tcp, port: 5000 }, { name: tls, port: 443 }] } }
---
{ apiVersion: v1, kind: Service, metadata: { name: b, namespace: default }, spec: { clusterIP: 10.0.0.2, ports: [{ name: http, port: 80 }, { name: tcp, port: 5000 }, { name: tls, port: 443 }] } }
---
{ apiVersion: v1, kind: Service, metadata: { name: a, namespace: other }, spec: { clusterIP: 10.0.0.3, ports: [{ name: http, port: 80 }] } }
---
{ apiVersion: v1, kind: Service, metadata: { name: gateway, namespace: default }, spec: { clusterIP: 10.0.0.4, selector: { istio: gateway }, ports: [{ name: http2, port: 80, targetPort: 8080 }] } }
---
{ apiVersion: networking.istio.io/v1, kind: Gateway, metadata: { name: g, namespace: default }, spec: { selector: { istio: gateway }, servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ['*'] }] } }`;

type Rule = { name: string; spec: string; namespace?: string; year?: number };
const virtualService = ({ name, spec, namespace = 'default', year = 2024 }: Rule) =>
  `{ apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: { name: ${name}, namespace: ${namespace}, creationTimestamp: '${year}-01-01T00:00:00Z' }, spec: ${spec} }`;
const to = (host: string) => `route: [{ destination: { host: ${host} } }]`;

function translated(rules: Rule[], over: Partial<ProxyScope> = {}) {
  const text = [SERVICES, ...rules.map(virtualService)].join('\n---\n');
  const scope: ProxyScope = { type: 'sidecar', namespace: 'default', labels: {}, locality: NO_LOCALITY, hasIstioFilters: true, ...over };
  return translate(ingestAll(parseAllDocuments(text).map((document) => document.toJS() as KubeObject)), scope);
}

const describe = (route: Route): string => {
  const target = route.action.case === 'route' ? String(route.action.value.clusterSpecifier.value) : route.action.case;
  const path = route.match?.pathSpecifier;
  return `${path?.case === 'prefix' || path?.case === 'pathSeparatedPrefix' || path?.case === 'path' ? path.value : path?.case} -> ${target}`;
};
const routesOf = (result: ReturnType<typeof translated>, name: string, host: string): string[] =>
  result.routes
    .find((one) => one.name === name)
    ?.virtualHosts.find((one) => one.name === host)
    ?.routes.map(describe) ?? [];
const A = 'a.default.svc.cluster.local:80';
const cluster = (name: string, namespace = 'default') => `outbound|80||${name}.${namespace}.svc.cluster.local`;

test('for sidecars the oldest VirtualService of a host has it alone', () => {
  const result = translated([
    { name: 'young', spec: `{ hosts: [a], http: [{ match: [{ uri: { prefix: /young } }], ${to('b')} }] }`, year: 2025 },
    { name: 'old', spec: `{ hosts: [a], http: [{ match: [{ uri: { prefix: /old } }], ${to('b')} }] }` },
  ]);
  assert.deepEqual(routesOf(result, '80', A), [`/old -> ${cluster('b')}`]);
});

test('on a gateway VirtualServices of one host are merged, catch-alls last', () => {
  const bound = (spec: string) => `{ hosts: [a.example.com], gateways: [g], ${spec} }`;
  const result = translated(
    [
      { name: 'old', spec: bound(`http: [{ ${to('a')} }]`) },
      { name: 'young', spec: bound(`http: [{ match: [{ uri: { prefix: /b } }], ${to('b')} }]`), year: 2025 },
    ],
    { type: 'router', labels: { istio: 'gateway' } },
  );
  assert.deepEqual(routesOf(result, 'http.8080', 'a.example.com:8080'), [`/b -> ${cluster('b')}`, `/ -> ${cluster('a')}`]);
});

test('a VirtualService exported to its own namespace rules nobody else', () => {
  const rule: Rule = {
    name: 'r',
    spec: `{ hosts: [a.other.svc.cluster.local], exportTo: [.], http: [{ ${to('b.default.svc.cluster.local')} }] }`,
  };
  const host = 'a.other.svc.cluster.local:80';
  assert.deepEqual(routesOf(translated([rule]), '80', host), [`/ -> ${cluster('b')}`]);
  assert.deepEqual(routesOf(translated([rule], { namespace: 'other' }), '80', host), [`/ -> ${cluster('a', 'other')}`]);
});

test("a delegate's short names belong to its own namespace, and its paths lie below the root's", () => {
  const result = translated([
    { name: 'root', spec: '{ hosts: [a], http: [{ match: [{ uri: { prefix: /team } }], delegate: { name: team, namespace: other } }] }' },
    {
      name: 'team',
      namespace: 'other',
      spec: `{ http: [{ match: [{ uri: { prefix: /team/x } }], ${to('a')} }, { match: [{ uri: { prefix: /foreign } }], ${to('a')} }] }`,
    },
  ]);
  assert.deepEqual(routesOf(result, '80', A), [`/team/x -> ${cluster('a', 'other')}`]);
  assert.deepEqual(
    result.findings.map(({ code }) => code),
    ['LAT0202'],
  );
});

test('a delegate that does not exist leaves its rule out and says so', () => {
  const result = translated([{ name: 'root', spec: `{ hosts: [a], http: [{ delegate: { name: gone } }, { ${to('b')} }] }` }]);
  assert.deepEqual(routesOf(result, '80', A), [`/ -> ${cluster('b')}`]);
  assert.deepEqual(
    result.findings.map(({ code }) => code),
    ['LAT0201'],
  );
});

test('tcp rules replace the route of a TCP port, by weight', () => {
  const result = translated([
    {
      name: 'r',
      spec: '{ hosts: [a], tcp: [{ match: [{ port: 5000 }], route: [{ destination: { host: a }, weight: 90 }, { destination: { host: b, port: { number: 5000 } }, weight: 10 }] }] }',
    },
  ]);
  const listener = result.listeners.find(({ name }) => name === '10.0.0.1_5000');
  const text = textOf(listener?.defaultFilterChain);
  assert.match(text, /outbound\|5000\|\|a\.default/);
  assert.match(text, /outbound\|5000\|\|b\.default/);
});

test('tls rules send by the name the client asks for', () => {
  const result = translated([
    {
      name: 'r',
      spec: '{ hosts: [a], tls: [{ match: [{ port: 443, sniHosts: [a.default.svc.cluster.local] }], route: [{ destination: { host: b, port: { number: 443 } } }] }] }',
    },
  ]);
  const [chain] = result.listeners.find(({ name }) => name === '10.0.0.1_443')?.filterChains ?? [];
  assert.deepEqual(chain?.filterChainMatch?.serverNames, ['a.default.svc.cluster.local']);
  assert.match(textOf(chain), /outbound\|443\|\|b\.default/);
});
