import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '@lateen/kube/types';
import { ingestAll } from '../ingest/index.ts';
import { proxySettingsFor } from './proxy-config.ts';

const config = (name: string, namespace: string, spec: object, creationTimestamp = '2024-01-01T00:00:00Z'): KubeObject => ({
  apiVersion: 'networking.istio.io/v1beta1',
  kind: 'ProxyConfig',
  metadata: { name, namespace, creationTimestamp },
  spec,
});
const selector = (app: string) => ({ selector: { matchLabels: { app } } });

const root = config('mesh', 'istio-system', { concurrency: 1, environmentVariables: { A: 'root', B: 'root', C: 'root' } });
const wide = config('wide', 'default', { image: { imageType: 'debug' }, environmentVariables: { B: 'namespace', C: 'namespace' } });
const narrow = config('narrow', 'default', { ...selector('a'), concurrency: 3, environmentVariables: { C: 'workload' } });
const younger = config('younger', 'default', { ...selector('a'), concurrency: 4 }, '2025-01-01T00:00:00Z');

const cases: [name: string, objects: KubeObject[], namespace: string, expected: object][] = [
  ['nothing without objects', [], 'default', {}],
  ['the root namespace reaches every pod', [root], 'other', { concurrency: 1, proxyMetadata: { A: 'root', B: 'root', C: 'root' } }],
  [
    'the narrower wins, field by field and variable by variable',
    [root, wide, narrow],
    'default',
    { concurrency: 3, image: { imageType: 'debug' }, proxyMetadata: { A: 'root', B: 'namespace', C: 'workload' } },
  ],
  ['of two that select a pod the older wins', [younger, narrow], 'default', { concurrency: 3, proxyMetadata: { C: 'workload' } }],
  ['another namespace is none of its business', [wide, narrow], 'other', {}],
  [
    'a selector of the root namespace selects only there',
    [config('x', 'istio-system', { ...selector('a'), concurrency: 9 })],
    'default',
    {},
  ],
];
for (const [name, objects, namespace, expected] of cases) {
  test(`ProxyConfig: ${name}`, () => {
    assert.deepEqual(proxySettingsFor(ingestAll(objects), { namespace, labels: { app: 'a' } }), expected);
  });
}
