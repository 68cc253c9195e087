import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertGolden } from '@lateen/base/testing';
import type { ConfigMap, KubeObject, Service } from '@lateen/kube/types';
import { parse, stringify } from 'yaml';
import { installManifests } from './manifests.ts';

const find = <T>(objects: KubeObject[], kind: string, name: string): T =>
  objects.find((object) => object.kind === kind && object.metadata.name === name) as T;

test('the default installation is the recorded one', () => {
  const text = installManifests({ tag: 'TAG' })
    .map((object) => stringify(object, { aliasDuplicateObjects: false }))
    .join('---\n');
  assertGolden(new URL('testdata/default.yaml', import.meta.url).pathname, text);
});

test('the gateway port, mesh settings and injector values can be chosen', () => {
  const objects = installManifests({
    gatewayHttpPort: 8080,
    meshConfig: { accessLogFile: '/dev/stdout' },
    values: { global: { proxy: { logLevel: 'debug' } } },
  });
  const gateway = find<Service>(objects, 'Service', 'istio-ingressgateway');
  assert.deepEqual(
    gateway.spec.ports?.find(({ name }) => name === 'http2'),
    { name: 'http2', port: 8080, targetPort: 8080, protocol: 'TCP' },
  );
  const mesh = parse(find<ConfigMap>(objects, 'ConfigMap', 'istio').data?.['mesh'] ?? '') as Record<string, unknown>;
  assert.equal(mesh['accessLogFile'], '/dev/stdout');
  assert.equal(mesh['rootNamespace'], 'istio-system');
  const values = JSON.parse(find<ConfigMap>(objects, 'ConfigMap', 'istio-sidecar-injector').data?.['values'] ?? '') as {
    global: Record<string, unknown>;
  };
  assert.deepEqual(values.global['proxy'], { logLevel: 'debug' });
  assert.equal(values.global['hub'], 'docker.io/istio');
});

test('another namespace is used throughout', () => {
  const text = JSON.stringify(installManifests({ namespace: 'mesh' }));
  assert.ok(!text.includes('istio-system'));
});
