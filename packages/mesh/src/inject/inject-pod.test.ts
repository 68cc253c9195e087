import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { applyJsonPatch } from '@lateen/kube/patch';
import type { Namespace, Pod } from '@lateen/kube/types';
import { createInjectConfig, type InjectConfigOptions } from './config.ts';
import { injectPod } from './inject-pod.ts';

type Labels = Record<string, string>;
const namespaceWith = (labels: Labels, name = 'shop'): Namespace => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
const POD: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: '',
    generateName: 'web-7d4b9c-',
    labels: { app: 'web', 'pod-template-hash': '7d4b9c' },
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-7d4b9c', uid: 'u', controller: true }],
  },
  spec: { containers: [{ name: 'web', image: 'web', ports: [{ containerPort: 80, protocol: 'TCP' }] }] },
};
const podWith = (labels: Labels, annotations: Labels = {}, spec: Partial<Pod['spec']> = {}): Pod => ({
  ...POD,
  metadata: { ...POD.metadata, labels: { ...POD.metadata.labels, ...labels }, annotations },
  spec: { ...POD.spec, ...spec },
});

const ENABLED = { 'istio-injection': 'enabled' };
const INJECT = 'sidecar.istio.io/inject';

describe('the decision', () => {
  const cases: {
    name: string;
    namespace?: Labels;
    labels?: Labels;
    annotations?: Labels;
    spec?: Partial<Pod['spec']>;
    ns?: string;
    config?: InjectConfigOptions;
    code: string;
  }[] = [
    { name: 'a labelled namespace is injected', namespace: ENABLED, code: 'NAMESPACE_ENABLED' },
    { name: 'an unlabelled one is not', code: 'NAMESPACE_NOT_LABELLED' },
    {
      name: 'an unlabelled one is when that is the default',
      config: { values: { sidecarInjectorWebhook: { enableNamespacesByDefault: true } } },
      code: 'NAMESPACE_ENABLED',
    },
    {
      name: 'a disabled one is not, whatever the pod says',
      namespace: { 'istio-injection': 'disabled' },
      labels: { [INJECT]: 'true' },
      code: 'NAMESPACE_DISABLED',
    },
    { name: 'a pod label is enough in an unlabelled namespace', labels: { [INJECT]: 'true' }, code: 'POD_ENABLED' },
    { name: 'an annotation is not', annotations: { [INJECT]: 'true' }, code: 'NAMESPACE_NOT_LABELLED' },
    { name: 'a pod may opt out by label', namespace: ENABLED, labels: { [INJECT]: 'false' }, code: 'POD_DISABLED' },
    { name: 'a pod may opt out by annotation', namespace: ENABLED, annotations: { [INJECT]: 'false' }, code: 'POD_DISABLED' },
    {
      name: 'the label beats the annotation',
      namespace: ENABLED,
      labels: { [INJECT]: 'true' },
      annotations: { [INJECT]: 'false' },
      code: 'POD_ENABLED',
    },
    {
      name: 'the revision label of a namespace',
      namespace: { 'istio.io/rev': 'canary' },
      config: { revision: 'canary' },
      code: 'NAMESPACE_ENABLED',
    },
    { name: 'istio.io/rev=default means the default revision', namespace: { 'istio.io/rev': 'default' }, code: 'NAMESPACE_ENABLED' },
    { name: 'another revision is not ours', namespace: { 'istio.io/rev': 'canary' }, code: 'OTHER_REVISION' },
    {
      name: 'istio-injection beats istio.io/rev',
      namespace: { ...ENABLED, 'istio.io/rev': 'canary' },
      config: { revision: 'canary' },
      code: 'OTHER_REVISION',
    },
    { name: 'and so the default revision injects', namespace: { ...ENABLED, 'istio.io/rev': 'canary' }, code: 'NAMESPACE_ENABLED' },
    { name: 'the revision label of a pod', labels: { 'istio.io/rev': 'canary' }, config: { revision: 'canary' }, code: 'POD_ENABLED' },
    {
      name: 'a tag of this revision',
      namespace: { 'istio.io/rev': 'prod' },
      config: { revision: 'canary', tags: ['prod'] },
      code: 'NAMESPACE_ENABLED',
    },
    {
      name: 'the tag "default" takes istio-injection',
      namespace: ENABLED,
      config: { revision: 'canary', tags: ['default'] },
      code: 'NAMESPACE_ENABLED',
    },
    { name: 'the host network', namespace: ENABLED, spec: { hostNetwork: true }, code: 'HOST_NETWORK' },
    { name: 'kube-system', namespace: ENABLED, ns: 'kube-system', code: 'IGNORED_NAMESPACE' },
    {
      name: 'neverInjectSelector',
      namespace: ENABLED,
      config: { injectConfig: { neverInjectSelector: [{ matchLabels: { app: 'web' } }] } },
      code: 'NEVER_INJECT_SELECTOR',
    },
    {
      name: 'a pod label beats neverInjectSelector',
      namespace: ENABLED,
      labels: { [INJECT]: 'true' },
      config: { injectConfig: { neverInjectSelector: [{ matchLabels: { app: 'web' } }] } },
      code: 'POD_ENABLED',
    },
    {
      name: 'an empty neverInjectSelector selects nothing',
      namespace: ENABLED,
      config: { injectConfig: { neverInjectSelector: [{}] } },
      code: 'NAMESPACE_ENABLED',
    },
    {
      name: 'a disabled policy',
      namespace: ENABLED,
      config: { values: { global: { proxy: { autoInject: 'disabled' } } } },
      code: 'POLICY_DISABLED',
    },
    {
      name: 'alwaysInjectSelector under a disabled policy',
      namespace: ENABLED,
      config: {
        injectConfig: {
          policy: 'disabled',
          alwaysInjectSelector: [{ matchExpressions: [{ key: 'app', operator: 'In', values: ['web'] }] }],
        },
      },
      code: 'ALWAYS_INJECT_SELECTOR',
    },
  ];
  for (const { name, namespace = {}, labels = {}, annotations = {}, spec = {}, ns, config, code } of cases) {
    test(`${name}: ${code}`, () => {
      const result = injectPod({
        pod: podWith(labels, annotations, spec),
        namespace: namespaceWith(namespace, ns),
        config: createInjectConfig(config),
      });
      assert.equal(result.decision.code, code, result.decision.reason);
      assert.equal(result.decision.inject, result.patch !== undefined);
    });
  }
});

describe('injecting a pod at the webhook', () => {
  const namespace = namespaceWith(ENABLED);
  const inject = (pod: Pod, options: InjectConfigOptions = {}) => {
    const { patched, patch } = injectPod({ pod, namespace, config: createInjectConfig(options) });
    assert.ok(patched && patch);
    return { patched, patch };
  };
  const envOf = (pod: Pod) =>
    new Map(pod.spec.containers.find(({ name }) => name === 'istio-proxy')?.env?.map(({ name, value }) => [name, value]));

  test('the patch leads from the given pod to the patched one', () => {
    const before = structuredClone(POD);
    const { patched, patch } = inject(POD);
    assert.deepEqual(POD, before, 'the input must stay as it was');
    const { namespace: added, ...metadata } = patched.metadata;
    assert.equal(added, 'shop');
    assert.deepEqual(applyJsonPatch(POD, patch), { ...patched, metadata });
    assert.ok(!patch.some(({ path }) => path === '/metadata/namespace'));
  });

  test('the owner is the Deployment behind the ReplicaSet', () => {
    const env = envOf(inject(POD).patched);
    assert.equal(env.get('ISTIO_META_WORKLOAD_NAME'), 'web');
    assert.equal(env.get('ISTIO_META_OWNER'), 'kubernetes://apis/apps/v1/namespaces/shop/deployments/web');
  });

  test('an injected pod that comes again is not injected twice', () => {
    const { patched } = inject(POD);
    const again = inject(patched);
    assert.deepEqual(again.patched, patched);
    assert.deepEqual(again.patch, []);
    assert.deepEqual(
      again.patched.spec.containers.map(({ name }) => name),
      ['web', 'istio-proxy'],
    );
  });

  test('probes of containers that joined later are added to those known', () => {
    const first = inject(podWith({}, {}, { containers: [{ name: 'web', livenessProbe: { httpGet: { path: '/a', port: 80 } } }] })).patched;
    const joined: Pod = {
      ...first,
      spec: {
        ...first.spec,
        containers: [...first.spec.containers, { name: 'new', livenessProbe: { httpGet: { path: '/b', port: 81 } } }],
      },
    };
    const { patched } = inject(joined);
    assert.deepEqual(JSON.parse(envOf(patched).get('ISTIO_KUBE_APP_PROBERS') ?? ''), {
      '/app-health/web/livez': { httpGet: { path: '/a', port: 80 } },
      '/app-health/new/livez': { httpGet: { path: '/b', port: 81 } },
    });
  });

  test('cluster and network from the webhook path stand above the settings, the pod label above both', () => {
    const options = { values: { global: { network: 'n1' } }, proxyEnvs: { ISTIO_META_CLUSTER_ID: 'c2', ISTIO_META_NETWORK: 'n2' } };
    const { patched } = inject(POD, options);
    assert.deepEqual([envOf(patched).get('ISTIO_META_CLUSTER_ID'), envOf(patched).get('ISTIO_META_NETWORK')], ['c2', 'n2']);
    assert.equal(patched.metadata.labels?.['topology.istio.io/network'], 'n2');
    const labelled = inject(podWith({ 'topology.istio.io/network': 'n3' }), options).patched;
    assert.equal(envOf(labelled).get('ISTIO_META_NETWORK'), 'n3');
  });

  test('the pod may override the proxy user, which the capture rules then exempt', () => {
    const containers = [
      ...POD.spec.containers,
      { name: 'istio-proxy', image: 'auto', securityContext: { runAsUser: 2000, runAsGroup: 3000 } },
    ];
    const { patched } = inject(podWith({}, {}, { containers }));
    const init = patched.spec.initContainers?.[0];
    assert.equal(init?.args?.[init.args.indexOf('-u') + 1], '2000');
    const cni = inject(podWith({}, {}, { containers }), { values: { pilot: { cni: { enabled: true } } } }).patched;
    assert.deepEqual(
      [cni.spec.initContainers?.[0]?.securityContext?.runAsUser, cni.spec.initContainers?.[0]?.securityContext?.runAsGroup],
      [2000, 3000],
    );
  });

  test('OpenShift gives the proxy the last user of the namespace range', () => {
    const openshift: Namespace = {
      ...namespace,
      metadata: {
        ...namespace.metadata,
        annotations: { 'openshift.io/sa.scc.uid-range': '1000620000/10000', 'openshift.io/sa.scc.supplemental-groups': '1000620000/10000' },
      },
    };
    const { patched } = injectPod({ pod: POD, namespace: openshift, config: createInjectConfig({ env: { PLATFORM: 'openshift' } }) });
    const proxy = patched?.spec.containers.find(({ name }) => name === 'istio-proxy');
    assert.deepEqual([proxy?.securityContext?.runAsUser, proxy?.securityContext?.runAsGroup], [1000629999, 1000629999]);
  });

  test('metrics stay where they are when merging is off', () => {
    const annotations = { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '9' };
    const { patched } = inject(podWith({}, { ...annotations, 'prometheus.istio.io/merge-metrics': 'false' }));
    assert.equal(patched.metadata.annotations?.['prometheus.io/port'], '9');
    assert.equal(envOf(patched).has('ISTIO_PROMETHEUS_ANNOTATIONS'), false);
  });
});
