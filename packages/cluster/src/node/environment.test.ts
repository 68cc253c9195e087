import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Service } from '@lateen/kube/types';
import { buildEnvironment } from './environment.ts';
import { configuration, container, podFacts } from './testing/pod-facts.ts';

const services: Service[] = [
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'my-db' },
    spec: { clusterIP: '10.96.0.5', ports: [{ name: 'sql', port: 5432 }] },
  },
  { apiVersion: 'v1', kind: 'Service', metadata: { name: 'headless' }, spec: { clusterIP: 'None', ports: [{ port: 80 }] } },
];

const build = (
  given: Container,
  options: { networkEnv?: Record<string, string>; imageEnv?: Record<string, string>; links?: boolean } = {},
) =>
  buildEnvironment({
    container: given,
    facts: podFacts(options.links === false ? { enableServiceLinks: false } : {}),
    source: configuration,
    imageEnv: options.imageEnv ?? {},
    networkEnv: options.networkEnv ?? {},
    services,
    apiServer: { host: '10.96.0.1', port: 443 },
  });

const resources = { limits: { cpu: '1500m', memory: '64Mi' }, requests: { cpu: 0.25 } };
const fieldRef = (fieldPath: string) => ({ valueFrom: { fieldRef: { fieldPath } } });
const resource = (name: string, divisor?: string) => ({ valueFrom: { resourceFieldRef: { resource: name, ...(divisor && { divisor }) } } });

const values: { variable: object; value: string | undefined }[] = [
  { variable: { value: 'plain' }, value: 'plain' },
  { variable: {}, value: '' },
  { variable: { value: '$(FIRST)-$(MY_DB_SERVICE_HOST)' }, value: 'one-10.96.0.5' },
  { variable: fieldRef('metadata.name'), value: 'web-1' },
  { variable: fieldRef('metadata.namespace'), value: 'shop' },
  { variable: fieldRef("metadata.labels['app']"), value: 'web' },
  { variable: fieldRef("metadata.annotations['note']"), value: 'hi' },
  { variable: fieldRef("metadata.annotations['none']"), value: '' },
  { variable: fieldRef('spec.nodeName'), value: 'lateen' },
  { variable: fieldRef('spec.serviceAccountName'), value: 'web-sa' },
  { variable: fieldRef('status.podIP'), value: '10.244.0.9' },
  { variable: fieldRef('status.hostIP'), value: '192.0.2.1' },
  { variable: resource('limits.cpu'), value: '2' },
  { variable: resource('limits.cpu', '1m'), value: '1500' },
  { variable: resource('requests.cpu', '1m'), value: '250' },
  { variable: resource('limits.memory'), value: '67108864' },
  { variable: resource('limits.memory', '1Mi'), value: '64' },
  { variable: resource('requests.memory'), value: '0' },
  { variable: { valueFrom: { configMapKeyRef: { name: 'words', key: 'hello' } } }, value: 'ahoy' },
  { variable: { valueFrom: { secretKeyRef: { name: 'keys', key: 'pin' } } }, value: '1234' },
  { variable: { valueFrom: { secretKeyRef: { name: 'keys', key: 'none', optional: true } } }, value: undefined },
  { variable: { valueFrom: { configMapKeyRef: { name: 'none', key: 'x', optional: true } } }, value: undefined },
];
for (const { variable, value } of values) {
  test(`a variable ${JSON.stringify(variable)} is ${JSON.stringify(value)}`, async () => {
    const env = await build(
      container({
        resources,
        env: [
          { name: 'FIRST', value: 'one' },
          { name: 'X', ...variable },
        ],
      }),
    );
    assert.equal(env.get('X'), value);
  });
}

test('an unset limit is what the node has', async () => {
  const env = await build(container({ env: [{ name: 'X', ...resource('limits.cpu') }] }));
  assert.equal(env.get('X'), '2');
});

const refused = [
  [{ valueFrom: { secretKeyRef: { name: 'none', key: 'x' } } }, 'secret "none" not found'],
  [{ valueFrom: { configMapKeyRef: { name: 'words', key: 'none' } } }, "couldn't find key none in ConfigMap shop/words"],
  [fieldRef('spec.containers'), 'unsupported fieldPath: spec.containers'],
  [resource('limits'), 'unsupported resource: limits'],
] as const;
for (const [variable, message] of refused) {
  test(`a variable is refused: ${message}`, async () => {
    await assert.rejects(build(container({ env: [{ name: 'X', ...variable }] })), { code: 'LAT3110', message });
  });
}

test('env beats envFrom beats the image, and the network beats all', async () => {
  const envFrom = [{ configMapRef: { name: 'words' } }, { prefix: 'P_', secretRef: { name: 'keys' } }];
  const given = container({
    envFrom,
    env: [
      { name: 'hello', value: 'mine' },
      { name: 'PORT', value: '9080' },
    ],
  });
  const env = await build(given, { imageEnv: { hello: 'image', KEPT: 'yes' }, networkEnv: { PORT: '31000' } });
  assert.deepEqual([env.get('hello'), env.get('P_pin'), env.get('KEPT'), env.get('PORT')], ['mine', '1234', 'yes', '31000']);
});

test('service links come for services with an address, and can be switched off', async () => {
  const linked = await build(container());
  assert.equal(linked.get('MY_DB_SERVICE_PORT_SQL'), '5432');
  assert.equal(linked.get('MY_DB_PORT_5432_TCP'), 'tcp://10.96.0.5:5432');
  assert.equal(linked.has('HEADLESS_SERVICE_HOST'), false);
  const bare = await build(container(), { links: false });
  assert.equal(bare.has('MY_DB_SERVICE_HOST'), false);
  assert.equal(bare.get('KUBERNETES_SERVICE_HOST'), '10.96.0.1');
});

test('nothing of this process comes through', async () => {
  const inherited = Object.keys(process.env).find((name) => !['PATH', 'HOME', 'HOSTNAME'].includes(name)) ?? '';
  assert.equal((await build(container())).has(inherited), false);
});
