import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '@lateen/kube/types';
import { validateKubernetesObject } from './kubernetes-objects.ts';

const service = (port: Record<string, unknown>, namespace = 'shop'): KubeObject =>
  ({ apiVersion: 'v1', kind: 'Service', metadata: { name: 's', namespace }, spec: { ports: [port] } }) as unknown as KubeObject;
const deployment = (labels: Record<string, string>): KubeObject =>
  ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd' },
    spec: { template: { metadata: { labels } } },
  }) as unknown as KubeObject;

const rows: [name: string, object: KubeObject, expected: string[]][] = [
  ['a port with its protocol', service({ name: 'http', port: 80 }), []],
  ['a port with protocol and suffix', service({ name: 'grpc-web-x', port: 80 }), []],
  ['a port with appProtocol', service({ name: 'x', appProtocol: 'http', port: 80 }), []],
  ['a UDP port', service({ name: 'x', protocol: 'UDP', port: 80 }), []],
  ['an unnamed port', service({ port: 80 }), ['error spec.ports[0]']],
  ['a port with another name', service({ name: 'web', port: 80 }), ['error spec.ports[0]']],
  ['the mesh itself', service({ port: 80 }, 'istio-system'), []],
  ['a deployment with labels', deployment({ app: 'a', version: 'v1' }), []],
  ['a deployment without version', deployment({ app: 'a' }), ['warning spec.template.metadata.labels']],
];

for (const [name, object, expected] of rows) {
  test(`validate of Kubernetes' own objects: ${name}`, () => {
    assert.deepEqual(
      validateKubernetesObject(object).map(({ level, path }) => `${level} ${path}`),
      expected,
    );
  });
}

test('ports that are no ports are left to the API server', () => {
  const odd = { apiVersion: 'v1', kind: 'Service', metadata: { name: 's' }, spec: { ports: ['x', 3, null] } } as unknown as KubeObject;
  assert.deepEqual(validateKubernetesObject(odd), []);
});
