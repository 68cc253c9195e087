import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settingsOfNode } from './node-settings.ts';

const cases: [what: string, proxyConfig: unknown, expected: unknown][] = [
  ['nothing', undefined, {}],
  ['a configuration without them', { discoveryAddress: 'istiod.istio-system.svc:15012' }, {}],
  ['what is no object', { proxyHeaders: 'x' }, {}],
  ['what does not fit the API', { proxyHeaders: { server: { disabled: 'yes' } } }, {}],
  ['an empty object, which replaces the mesh’s', { proxyHeaders: {} }, { proxyHeaders: {} }],
  [
    'settings',
    { statusPort: 'not read', proxyHeaders: { server: { value: 'shop' }, preserveHttp1HeaderCase: true } },
    { proxyHeaders: { server: { value: 'shop' }, preserveHttp1HeaderCase: true } },
  ],
  [
    'proxies in front of it',
    { gatewayTopology: { numTrustedProxies: 2, proxyProtocol: {} }, proxyHeaders: { server: { disabled: 'yes' } } },
    { gatewayTopology: { numTrustedProxies: 2, proxyProtocol: {} } },
  ],
];
for (const [what, proxyConfig, expected] of cases) {
  test(`what a node that tells ${what} was injected with`, () => assert.deepEqual(settingsOfNode(proxyConfig), expected));
}
