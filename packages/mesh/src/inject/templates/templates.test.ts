import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Container, Pod, PodSpec } from '@lateen/kube/types';
import { createInjectConfig, type InjectConfigOptions } from '../config.ts';
import { mutatePod } from '../inject-pod.ts';

type Input = { annotations?: Record<string, string>; labels?: Record<string, string>; spec?: Partial<PodSpec>; workload?: string };

function inject(options: InjectConfigOptions, { annotations = {}, labels = {}, spec = {}, workload = 'web' }: Input = {}): Pod {
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: '', annotations, labels },
    spec: { containers: [{ name: 'web', image: 'example.org:5000/shop/web:v2' }], ...spec },
  };
  const origin = { apiVersion: 'apps/v1', kind: 'Deployment', name: workload, namespace: 'shop' };
  return mutatePod({ pod, workload: origin, config: createInjectConfig(options) });
}

const containerOf = (pod: Pod, name: string): Container | undefined =>
  [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find((container) => container.name === name);
const proxyEnv = (pod: Pod) => new Map(containerOf(pod, 'istio-proxy')?.env?.map((variable) => [variable.name, variable]));

describe('the sidecar template', () => {
  test('proxy and capture have their own image names, and share hub, tag and type', () => {
    const global = { hub: 'example.org/istio', tag: '1.0', proxy: { image: 'my-proxy' }, proxy_init: { image: 'my-init' } };
    const pod = inject({ values: { global } }, { annotations: { 'sidecar.istio.io/proxyImageType': 'distroless' } });
    assert.equal(containerOf(pod, 'istio-proxy')?.image, 'example.org/istio/my-proxy:1.0-distroless');
    assert.equal(containerOf(pod, 'istio-init')?.image, 'example.org/istio/my-init:1.0-distroless');
  });

  test('limits reach the proxy in whole units, and Go itself finds the processors', () => {
    const env = proxyEnv(inject({}));
    assert.deepEqual(env.get('GOMEMLIMIT')?.valueFrom?.resourceFieldRef, { resource: 'limits.memory', divisor: '1' });
    assert.deepEqual(env.get('ISTIO_CPU_LIMIT')?.valueFrom?.resourceFieldRef, { resource: 'limits.cpu', divisor: '1' });
    assert.equal(env.has('GOMAXPROCS'), false);
  });

  test('only FIPS 140-3 also restricts the cryptography of Go', () => {
    const godebug = (policy: string) => proxyEnv(inject({ env: { COMPLIANCE_POLICY: policy } })).get('GODEBUG')?.value;
    assert.equal(godebug('fips-140-3'), 'fips140=only');
    assert.equal(godebug('fips-140-2'), undefined);
  });

  test('the revocation list may have another name', () => {
    const pod = inject({ values: { pilot: { crlConfigMapName: 'my-crl' } } });
    assert.equal(pod.spec.volumes?.find(({ name }) => name === 'istio-ca-crl')?.configMap?.name, 'my-crl');
  });

  test('a long workload name becomes a label value that begins and ends with a letter or digit', () => {
    const name = `${'a'.repeat(60)}.-_tail`;
    const labels = inject({}, { workload: name }).metadata.labels;
    assert.equal(labels?.['service.istio.io/canonical-name'], 'a'.repeat(60));
  });

  test('the volumes of userVolume come in the order of their names', () => {
    const pod = inject({}, { annotations: { 'sidecar.istio.io/userVolume': '{"z":{"emptyDir":{}},"a":{"emptyDir":{}}}' } });
    assert.deepEqual(pod.spec.volumes?.map(({ name }) => name).slice(-2), ['a', 'z']);
  });
});

describe('the resource attributes for OpenTelemetry', () => {
  const meshConfig = { extensionProviders: [{ name: 'otel', opentelemetry: { serviceAttributeEnrichment: 'OTEL_SEMANTIC_CONVENTIONS' } }] };
  const attributes = (input: Input) => proxyEnv(inject({ meshConfig }, input)).get('OTEL_RESOURCE_ATTRIBUTES')?.value;
  const cases: { name: string; input: Input; expected: string }[] = [
    {
      name: 'come from the workload and the image',
      input: {},
      expected: 'service.namespace=shop,service.version=v2,service.instance.id=shop.$(POD_NAME).web',
    },
    {
      name: 'take the version from the label first',
      input: { labels: { 'app.kubernetes.io/version': '7' } },
      expected: 'service.namespace=shop,service.version=7,service.instance.id=shop.$(POD_NAME).web',
    },
    {
      name: 'take everything from annotations first, with separators encoded',
      input: {
        annotations: {
          'resource.opentelemetry.io/service.namespace': 'team,a',
          'resource.opentelemetry.io/service.version': '8',
          'resource.opentelemetry.io/service.instance.id': 'one',
        },
      },
      expected: 'service.namespace=team%2Ca,service.version=8,service.instance.id=one',
    },
    {
      name: 'name no container and no image among several',
      input: {
        spec: {
          containers: [
            { name: 'a', image: 'a:1' },
            { name: 'b', image: 'b:2' },
          ],
        },
      },
      expected: 'service.namespace=shop,service.instance.id=shop.$(POD_NAME)',
    },
    {
      name: 'know a digest behind the tag',
      input: { spec: { containers: [{ name: 'web', image: 'web:1@sha256:ab' }] } },
      expected: 'service.namespace=shop,service.version=1@sha256:ab,service.instance.id=shop.$(POD_NAME).web',
    },
  ];
  for (const { name, input, expected } of cases) test(name, () => assert.equal(attributes(input), expected));

  test('are not set unless a provider of the mesh asks for them', () => {
    assert.equal(proxyEnv(inject({})).has('OTEL_RESOURCE_ATTRIBUTES'), false);
  });
});

describe('the gateway template', () => {
  test("makes the one application container kubectl's default, unless the pod names another", () => {
    const annotations = { 'inject.istio.io/templates': 'gateway', 'kubectl.kubernetes.io/default-container': 'istio-proxy' };
    const injected = inject({}, { annotations }).metadata.annotations;
    assert.equal(injected?.['kubectl.kubernetes.io/default-container'], 'istio-proxy');
    assert.equal(injected?.['kubectl.kubernetes.io/default-logs-container'], 'web');
  });
});

describe('the grpc-simple template', () => {
  test('adds no proxy, but a bootstrap that the applications read', () => {
    const pod = inject({}, { annotations: { 'inject.istio.io/templates': 'grpc-simple' } });
    assert.equal(containerOf(pod, 'istio-proxy'), undefined);
    assert.equal(pod.metadata.annotations?.['sidecar.istio.io/rewriteAppHTTPProbers'], 'false');
    const file = containerOf(pod, 'web')?.env?.find(({ name }) => name === 'GRPC_XDS_BOOTSTRAP')?.value ?? '';
    assert.equal(file, '/var/lib/grpc/data/bootstrap.json');
    const script = containerOf(pod, 'grpc-bootstrap-init')?.command?.[2] ?? '';
    assert.match(script, new RegExp(`^cat > ${file} <<END\n`));
    const bootstrap = JSON.parse(script.slice(script.indexOf('{'), script.lastIndexOf('}') + 1));
    assert.equal(bootstrap.node.id, 'sidecar~$INSTANCE_IP~$POD_NAME.$POD_NAMESPACE~cluster.local');
    assert.equal(bootstrap.node.metadata.GENERATOR, 'grpc');
  });
});
