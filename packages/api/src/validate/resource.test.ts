import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObjectLike } from '../kube-object.ts';
import { validateResource } from './resource.ts';
import { parse } from './testing/rows.ts';

test('fields at the top level are named with their place', () => {
  const [object] = parse(
    'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nhosts: [a]\nroute: [{destination: {host: a}}]',
  );
  const [finding] = validateResource(object as KubeObjectLike);
  assert.equal(finding?.code, 'LAT0001');
  assert.match(finding?.message ?? '', /hosts, route stand at the top level/);
  assert.match(finding?.fix ?? '', /spec:\n {2}hosts:\n {4}- a\n {2}http:\n {4}- route:/);
});

test('an unknown kind or version names what exists', () => {
  const codes = (yaml: string): (string | undefined)[] =>
    parse(yaml).flatMap((object) => validateResource(object).map((finding) => `${finding.code} ${finding.fix}`));
  assert.deepEqual(codes('apiVersion: networking.istio.io/v1\nkind: VirtualServce\nmetadata: {name: a}'), [
    'LAT0004 Did you mean VirtualService?',
  ]);
  assert.deepEqual(codes('apiVersion: networking.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}'), [
    'LAT0004 AuthorizationPolicy is in security.istio.io/v1.',
  ]);
  assert.deepEqual(codes('apiVersion: security.istio.io/v2\nkind: PeerAuthentication\nmetadata: {name: a}'), [
    'LAT0004 Use security.istio.io/v1 or security.istio.io/v1beta1.',
  ]);
  assert.deepEqual(codes('apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {prots: []}'), []);
});

test('dry run is for ALLOW and DENY policies only', () => {
  const findings = (yaml: string): string[] => parse(yaml).flatMap((object) => validateResource(object).map((finding) => finding.message));
  const annotated = (rest: string): string => `metadata: {name: a, annotations: {istio.io/dry-run: "${rest}"}}`;
  assert.deepEqual(findings(`apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n${annotated('true')}`), []);
  assert.match(findings(`apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n${annotated('maybe')}`)[0] ?? '', /invalid value/);
  assert.match(
    findings(`apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n${annotated('true')}`)[0] ?? '',
    /unsupported annotation/,
  );
});

test('hostile keys and deep values do not break validation', () => {
  const object = JSON.parse(
    '{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"a"},"spec":{"__proto__":{"hosts":1},"constructor":1,"hosts":["a"],"http":[{"toString":1}]}}',
  ) as KubeObjectLike;
  assert.ok(validateResource(object).every((finding) => finding.message.length < 500));
  assert.ok(validateResource({ apiVersion: 'networking.istio.io/v1', kind: 'Gateway', metadata: 'x' as never, spec: [] }).length > 0);
});
