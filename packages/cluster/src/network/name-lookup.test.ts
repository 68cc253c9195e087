import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServiceTableEntry } from '../contracts.ts';
import { createZone } from './dns-zone.ts';
import { createNameLookup } from './name-lookup.ts';
import { serviceEntry } from './testing/service-entry.ts';

const service = (name: string, more: Partial<ServiceTableEntry>) => serviceEntry('shop', name, more);

const zone = createZone([
  service('web', { clusterIP: '10.96.1.1' }),
  service('pods', {
    addresses: [
      { ip: '10.244.0.5', hostname: 'pods-0' },
      { ip: '10.244.0.6', hostname: undefined },
    ],
  }),
  service('inside', { externalName: 'web.shop.svc.cluster.local' }),
  service('outside', { externalName: 'api.example.com' }),
  service('ping', { externalName: 'pong.shop.svc.cluster.local' }),
  service('pong', { externalName: 'ping.shop.svc.cluster.local' }),
]);

const asked: string[] = [];
const lookup = createNameLookup(() => zone, {
  async lookupOnHost(name) {
    asked.push(name);
    return name === 'api.example.com' ? ['192.0.2.7'] : [];
  },
});

for (const [name, namespace, expected] of [
  ['web', 'shop', ['10.96.1.1']],
  ['web', 'other', []],
  ['web.shop', 'other', ['10.96.1.1']],
  ['WEB.shop.svc.cluster.local.', 'other', ['10.96.1.1']],
  ['pods.shop.svc.cluster.local', 'other', ['10.244.0.5', '10.244.0.6']],
  ['pods-0.pods', 'shop', ['10.244.0.5']],
  ['inside', 'shop', ['10.96.1.1']],
  ['outside', 'shop', ['192.0.2.7']],
  ['api.example.com', 'shop', ['192.0.2.7']],
  ['ping', 'shop', []],
] as const) {
  test(`a pod of ${namespace} finds ${name} at [${expected}]`, async () => assert.deepEqual(await lookup(name, namespace), expected));
}

test("the host is never asked for a cluster's name", async () => {
  asked.length = 0;
  assert.deepEqual(await lookup('nothing.shop.svc.cluster.local', 'shop'), []);
  assert.deepEqual(asked, []);
});
