import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubeObject } from '@lateen/kube/types';
import { builtinSchema } from '../schema/builtin.ts';
import { formatFieldSet, parseFieldSet, pathsOf } from './field-set.ts';
import { applyConfiguration, trackUpdate } from './managed-fields.ts';

const schema = builtinSchema('apps/v1', 'Deployment');
const who = (manager: string) => ({ manager, apiVersion: 'apps/v1', subresource: undefined, time: '2026-01-01T00:00:00Z' });
type Container = { name: string; image?: string; ports?: object[]; env?: object[] };
const deployment = (spec: object, labels?: Record<string, string>): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'd', namespace: 'default', ...(labels ? { labels } : {}) },
  spec,
});
const withContainers = (...containers: Container[]) => deployment({ template: { spec: { containers } } });
const containersOf = (object: KubeObject) =>
  (object['spec'] as { template: { spec: { containers: Container[] } } }).template.spec.containers;

const apply = (live: KubeObject | undefined, config: KubeObject, options: { manager?: string; force?: boolean } = {}) =>
  applyConfiguration({ ...who(options.manager ?? 'one'), live, config, schema, force: options.force ?? false });
const mustApply = (...args: Parameters<typeof apply>): KubeObject => {
  const applied = apply(...args);
  assert.ok(applied.ok, JSON.stringify(applied));
  return applied.object;
};
const ownersOf = (object: KubeObject) =>
  Object.fromEntries(
    (object.metadata.managedFields ?? []).map((one) => [`${one.manager}/${one.operation}`, pathsOf(parseFieldSet(one.fieldsV1))]),
  );

describe('server-side apply', () => {
  it('owns what the configuration says', () => {
    const live = mustApply(undefined, withContainers({ name: 'a', image: 'x' }));
    assert.deepEqual(formatFieldSet(parseFieldSet(live.metadata.managedFields?.[0]?.fieldsV1)), {
      'f:spec': { 'f:template': { 'f:spec': { 'f:containers': { 'k:{"name":"a"}': { '.': {}, 'f:image': {}, 'f:name': {} } } } } },
    });
  });

  it('removes what the manager gave up, and leaves what others own', () => {
    const live = mustApply(undefined, withContainers({ name: 'a', image: 'x' }, { name: 'b', image: 'y' }));
    const both = mustApply(live, withContainers({ name: 'c', image: 'z' }), { manager: 'two' });
    const after = mustApply(both, withContainers({ name: 'a', image: 'x' }));
    assert.deepEqual(
      containersOf(after).map((one) => one.name),
      ['a', 'c'],
    );
  });

  it('conflicts over a value that another manager set, unless it agrees', () => {
    const live = mustApply(undefined, deployment({ replicas: 1 }));
    assert.equal(apply(live, deployment({ replicas: 1 }), { manager: 'two' }).ok, true);
    const clash = apply(live, deployment({ replicas: 2 }), { manager: 'two' });
    assert.deepEqual(clash.ok ? undefined : clash.conflicts.map((one) => [one.manager, one.paths]), [['one', ['.spec.replicas']]]);
    const forced = mustApply(live, deployment({ replicas: 2 }), { manager: 'two', force: true });
    assert.deepEqual(ownersOf(forced), { 'two/Apply': ['.spec.replicas'] });
  });

  it('tells items apart by all keys, with the default protocol', () => {
    const ports = [{ containerPort: 53, protocol: 'UDP' }, { containerPort: 53 }];
    const live = mustApply(undefined, withContainers({ name: 'a', image: 'x', ports }));
    const again = mustApply(live, withContainers({ name: 'a', image: 'x', ports: [{ containerPort: 53, protocol: 'TCP' }] }));
    assert.deepEqual(containersOf(again)[0]?.ports, [{ containerPort: 53, protocol: 'TCP' }]);
  });

  it('takes a selector whole', () => {
    const selector = (matchLabels: Record<string, string>) => deployment({ selector: { matchLabels } });
    const live = mustApply(undefined, selector({ a: '1' }));
    const clash = apply(live, selector({ b: '1' }), { manager: 'two' });
    assert.deepEqual(clash.ok ? undefined : clash.conflicts[0]?.paths, ['.spec.selector']);
  });

  it('conflicts with fields that an update changed', () => {
    const live = mustApply(undefined, deployment({ replicas: 1 }, { a: '1' }));
    const next = structuredClone(live);
    (next['spec'] as { replicas: number }).replicas = 5;
    trackUpdate({ ...who('scaler'), live, next, schema });
    assert.deepEqual(ownersOf(next), { 'one/Apply': ['.metadata.labels.a'], 'scaler/Update': ['.spec.replicas'] });
    const clash = apply(next, deployment({ replicas: 1 }, { a: '1' }));
    assert.deepEqual(clash.ok ? undefined : clash.conflicts.map((one) => one.manager), ['scaler']);
    const kept = mustApply(next, deployment({}, { a: '1' }));
    assert.equal((kept['spec'] as { replicas: number }).replicas, 5);
  });
});
