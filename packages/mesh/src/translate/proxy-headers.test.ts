import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyHeadersOfNode } from './proxy-headers.ts';

const cases: [what: string, proxyConfig: unknown, expected: unknown][] = [
  ['nothing', undefined, undefined],
  ['a configuration without them', { discoveryAddress: 'istiod.istio-system.svc:15012' }, undefined],
  ['what is no object', { proxyHeaders: 'x' }, undefined],
  ['what does not fit the API', { proxyHeaders: { server: { disabled: 'yes' } } }, undefined],
  ['an empty object, which replaces the mesh’s', { proxyHeaders: {} }, {}],
  [
    'settings',
    { statusPort: 'not read', proxyHeaders: { server: { value: 'shop' }, preserveHttp1HeaderCase: true } },
    { server: { value: 'shop' }, preserveHttp1HeaderCase: true },
  ],
];
for (const [what, proxyConfig, expected] of cases) {
  test(`the proxyHeaders of a node that tells ${what}`, () => assert.deepEqual(proxyHeadersOfNode(proxyConfig), expected));
}
