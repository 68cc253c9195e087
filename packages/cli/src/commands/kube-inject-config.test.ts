import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { readSettings } from '../settings.ts';
import { type InjectFlags, injectOptions } from './kube-inject-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'kube-inject-'));
after(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const NAMES = { meshConfigMapName: 'istio', injectConfigMapName: 'istio-sidecar-injector', istioNamespace: 'istio-system' };
// With mesh configuration and values from files no cluster is asked.
const mesh = file('mesh.yaml', 'trustDomain: example.org\n');
const values = file('values.json', '{"global":{"hub":"h","tag":"t"}}');
const options = (flags: Partial<InjectFlags>) =>
  injectOptions({ ...NAMES, set: [], meshConfigFile: mesh, valuesFile: values, ...flags }, readSettings({}));

describe('the configuration of kube-inject', () => {
  test('files come first, --set stands above them', async () => {
    const { values, meshConfig } = await options({ set: ['values.global.tag=u', 'meshConfig.enablePrometheusMerge=false'] });
    assert.deepEqual(values, { global: { hub: 'h', tag: 'u' } });
    assert.deepEqual(meshConfig, { trustDomain: 'example.org', enablePrometheusMerge: false });
  });

  test('every file may be the ConfigMap it comes from', async () => {
    const configMap = (key: string, text: string) =>
      file(`${key}-map.yaml`, JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' }, data: { [key]: text } }));
    const given = await options({
      meshConfigFile: configMap('mesh', 'trustDomain: a'),
      valuesFile: configMap('values', '{"revision":"r"}'),
      injectConfigFile: configMap('config', 'policy: disabled'),
    });
    assert.deepEqual(
      [given.meshConfig, given.values, given.injectConfig],
      [{ trustDomain: 'a' }, { revision: 'r' }, { policy: 'disabled' }],
    );
  });

  test('an injector configuration may stand alone', async () => {
    const { injectConfig } = await options({ injectConfigFile: file('inject.yaml', 'templates:\n  mine: "spec: {}"\n') });
    assert.deepEqual(injectConfig, { templates: { mine: 'spec: {}' } });
  });

  test('an IstioOperator lies over the files, and --set over it', async () => {
    const operator = file(
      'iop.yaml',
      'kind: IstioOperator\nspec:\n  meshConfig: {rootNamespace: r}\n  values: {global: {tag: iop, network: n}}\n',
    );
    for (const flags of [{ operatorFileName: operator }, { valuesFile: operator }]) {
      const given = await options({ ...flags, set: ['values.global.network=m'] });
      assert.deepEqual(given.meshConfig, { trustDomain: 'example.org', rootNamespace: 'r' });
      assert.partialDeepStrictEqual(given.values, { global: { tag: 'iop', network: 'm' } });
    }
  });

  const wrong: [string, Partial<InjectFlags>, RegExp][] = [
    ['that is missing', { valuesFile: join(folder, 'gone') }, /gone/],
    ['that is no mapping', { meshConfigFile: file('list.yaml', '- a') }, /list\.yaml/],
    ['that is no YAML', { injectConfigFile: file('broken.yaml', 'a: [') }, /broken\.yaml/],
    ['of another ConfigMap', { valuesFile: file('other.yaml', 'kind: ConfigMap\ndata: {a: b}') }, /other\.yaml/],
  ];
  for (const [name, flags, message] of wrong) {
    test(`a file ${name} is named`, () => assert.rejects(options(flags), { code: 'LAT7311', message }));
  }
});
