import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { assertGolden } from '@lateen/base/testing';
import type { Deployment, KubeObject } from '@lateen/kube/types';
import { parse, stringify } from 'yaml';
import { createInjectConfig } from './config.ts';
import { injectObject } from './inject-object.ts';
import { overlayValues, parseSetFlags } from './values.ts';

const FOLDER = join(import.meta.dirname, 'testdata');
// Templates that the cases name in a "# templates:" comment.
const TEMPLATES: Record<string, string> = {
  custom: `metadata:
  annotations: {foo: bar}
spec:
  containers:
  {{- range $index, $container := .Spec.Containers }}
  - name: {{ $container.Name }}
    env:
    - {name: SOME_ENV, value: "true"}
    volumeMounts:
    - {mountPath: /var/lib/data/foo.json, subPath: foo.json, name: some-injected-file}
  {{- end}}
  volumes:
  - name: some-injected-file
    downwardAPI: {items: [{path: foo.json, fieldRef: {fieldPath: "metadata.annotations['foo']"}}]}
`,
  spire: `spec:
  containers:
  - name: istio-proxy
    volumeMounts:
    - {name: workload-socket, mountPath: /var/run/secrets/workload-spiffe-uds, readOnly: true}
  volumes:
  - name: workload-socket
    csi: {driver: csi.spiffe.io, readOnly: true}
`,
};

describe('injecting objects, golden pairs', () => {
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.in.yaml'))) {
    test(file.slice(0, -'.in.yaml'.length), () => {
      const text = readFileSync(join(FOLDER, file), 'utf8');
      const flags = /^# set: (.*)$/m.exec(text)?.[1]?.split(' ') ?? [];
      const templates = /^# templates: (.*)$/m.exec(text)?.[1]?.split(' ') ?? [];
      const overlay = parseSetFlags(['values.global.hub=example.org/istio', 'values.global.tag=1.0', ...flags]);
      const custom = { sidecarInjectorWebhook: { templates: Object.fromEntries(templates.map((name) => [name, TEMPLATES[name]])) } };
      const config = createInjectConfig({ values: overlayValues(overlay.values, custom), meshConfig: overlay.meshConfig });
      const input = parse(text) as KubeObject;
      const before = structuredClone(input);
      const { object, warnings } = injectObject(input, config);
      assert.deepEqual(input, before, 'the input must stay as it was');
      const comments = warnings.map((warning) => `# ${warning}\n`).join('');
      assertGolden(join(FOLDER, file.replace('.in.', '.out.')), comments + stringify(object, { sortMapEntries: true, lineWidth: 0 }));
    });
  }
});

const DEPLOYMENT = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'shop' },
  spec: {
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'web' }] } },
  },
} satisfies Deployment;

describe('injecting objects', () => {
  test('other kinds come back as they are', () => {
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'x' }, spec: { ports: [] } };
    assert.deepEqual(injectObject(service, createInjectConfig()), { object: service, injected: 0, warnings: [] });
    const foreign = { ...DEPLOYMENT, apiVersion: 'example.org/v1' };
    assert.equal(injectObject(foreign, createInjectConfig()).object, foreign);
  });

  test('injecting what was injected changes nothing', () => {
    const config = createInjectConfig();
    const once = injectObject(DEPLOYMENT, config).object;
    assert.deepEqual(injectObject(once, config).object, once);
  });

  for (const nativeSidecars of ['false', 'true']) {
    test(`what the user asked of the sidecar survives a second injection, with native sidecars ${nativeSidecars}`, () => {
      const config = createInjectConfig({ env: { ENABLE_NATIVE_SIDECARS: nativeSidecars } });
      const own = { name: 'istio-proxy', image: 'auto', securityContext: { runAsUser: 1234 }, resources: { limits: { cpu: '3' } } };
      const deployment = structuredClone(DEPLOYMENT);
      deployment.spec.template.spec.containers.push(own);
      const once = injectObject(deployment, config).object;
      assert.match(JSON.stringify(once), /"runAsUser":1234/);
      assert.deepEqual(injectObject(once, config).object, once);
    });
  }

  test('injecting again with other settings brings the new ones and adds nothing twice', () => {
    const once = injectObject(DEPLOYMENT, createInjectConfig()).object;
    const values = { global: { tag: 'newer', proxy: { logLevel: 'debug' } } };
    const fresh = injectObject(DEPLOYMENT, createInjectConfig({ values })).object;
    assert.deepEqual(injectObject(once, createInjectConfig({ values })).object, fresh);
  });

  const specOf = (config: Parameters<typeof createInjectConfig>[0], annotations: Record<string, string> = {}) => {
    const template = { ...DEPLOYMENT.spec.template, metadata: { ...DEPLOYMENT.spec.template.metadata, annotations } };
    const { object } = injectObject({ ...DEPLOYMENT, spec: { ...DEPLOYMENT.spec, template } }, createInjectConfig(config));
    return (object as unknown as Deployment).spec.template.spec;
  };
  const names = (list: { name: string }[] | undefined) => list?.map(({ name }) => name);

  test('the sidecar is classic by default, native by environment or annotation, and the annotation wins', () => {
    assert.deepEqual(names(specOf({}).containers), ['web', 'istio-proxy']);
    const native = specOf({ env: { ENABLE_NATIVE_SIDECARS: 'true' } });
    assert.deepEqual([names(native.containers), names(native.initContainers)], [['web'], ['istio-init', 'istio-proxy']]);
    assert.deepEqual(names(specOf({}, { 'sidecar.istio.io/nativeSidecar': 'true' }).containers), ['web']);
    const classic = specOf({ env: { ENABLE_NATIVE_SIDECARS: 'true' } }, { 'sidecar.istio.io/nativeSidecar': 'false' });
    assert.deepEqual(names(classic.containers), ['web', 'istio-proxy']);
  });

  test('a held application starts after the proxy, which is then the first container', () => {
    const { containers } = specOf({ meshConfig: { defaultConfig: { holdApplicationUntilProxyStarts: true } } });
    assert.deepEqual(names(containers), ['istio-proxy', 'web']);
    assert.deepEqual(containers[0]?.lifecycle?.postStart?.exec?.command, ['pilot-agent', 'wait']);
  });

  test('switches of the environment reach the proxy', () => {
    const { containers } = specOf({ env: { PILOT_ENABLE_INBOUND_PASSTHROUGH: 'false', COMPLIANCE_POLICY: 'fips-140-2' } });
    const env = new Map(containers[1]?.env?.map(({ name, value }) => [name, value]));
    assert.equal(env.get('REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION'), 'true');
    assert.equal(env.get('COMPLIANCE_POLICY'), 'fips-140-2');
  });

  test('resources of the values may be set to null one by one', () => {
    const resources = { limits: { cpu: null, memory: '500Mi' }, requests: { cpu: '100m', memory: null, 'ephemeral-storage': '1Gi' } };
    const { containers } = specOf({ values: { global: { proxy: { resources } } } });
    assert.deepEqual(containers[1]?.resources, { limits: { memory: '500Mi' }, requests: { cpu: '100m', 'ephemeral-storage': '1Gi' } });
    assert.deepEqual(specOf({ values: { global: { proxy: { resources: null } } } }).containers[1]?.resources, {});
  });

  test('interception NONE captures nothing', () => {
    assert.equal(specOf({}, { 'sidecar.istio.io/interceptionMode': 'NONE' }).initContainers, undefined);
  });

  test('in the result of a custom template the last of two equal keys counts', () => {
    const templates = { mine: 'metadata:\n  annotations:\n    a: one\n    a: two\n' };
    const annotations = { 'inject.istio.io/templates': 'mine' };
    const template = { ...DEPLOYMENT.spec.template, metadata: { annotations } };
    const { object } = injectObject(
      { ...DEPLOYMENT, spec: { ...DEPLOYMENT.spec, template } },
      createInjectConfig({ injectConfig: { templates } }),
    );
    assert.equal((object as unknown as Deployment).spec.template.metadata?.annotations?.['a'], 'two');
  });

  test('an unknown template is refused with the known names', () => {
    assert.throws(() => specOf({}, { 'inject.istio.io/templates': 'nope' }), {
      code: 'LAT2305',
      fix: 'known templates: sidecar, gateway, grpc-agent, grpc-simple',
    });
  });

  const wrong: Record<string, string> = {
    'traffic.sidecar.istio.io/includeOutboundIPRanges': '10.0.0.0',
    'traffic.sidecar.istio.io/excludeOutboundIPRanges': '*',
    'traffic.sidecar.istio.io/includeInboundPorts': 'http',
    'traffic.sidecar.istio.io/excludeInboundPorts': '80,-1',
    'traffic.sidecar.istio.io/excludeOutboundPorts': '70000',
    'sidecar.istio.io/interceptionMode': 'MAGIC',
    'status.sidecar.istio.io/port': 'x',
    'proxy.istio.io/config': '- a',
  };
  test('a wrong CIDR is named with the setting it is for', () => {
    const include = { 'traffic.sidecar.istio.io/includeOutboundIPRanges': 'x' };
    assert.throws(() => specOf({}, include), { code: 'LAT2304', why: 'includeIPRanges: "x" is not a CIDR' });
  });
  for (const [name, value] of Object.entries(wrong)) {
    test(`the value ${JSON.stringify(value)} of ${name} is refused by name`, () => {
      assert.throws(
        () => specOf({}, { [name]: value }),
        (error: Error) => error.message.includes(name),
      );
    });
  }
});
