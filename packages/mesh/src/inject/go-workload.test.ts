import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '@lateen/kube/types';
import { completeWorkload } from './go-workload.ts';

const workload = (kind: string, spec: Record<string, unknown>): KubeObject => ({
  apiVersion: 'apps/v1',
  kind,
  metadata: { name: 'a', creationTimestamp: null as never },
  spec,
});
const cases: { name: string; given: KubeObject; spec: unknown; status: unknown }[] = [
  {
    name: 'a Deployment has a strategy and a status, and nothing that is zero',
    given: workload('Deployment', { replicas: 0, paused: false, minReadySeconds: 0 }),
    spec: { strategy: {}, replicas: 0 },
    status: {},
  },
  {
    name: 'what is set stays',
    given: workload('Deployment', { paused: true, minReadySeconds: 5, strategy: { type: 'Recreate' } }),
    spec: { strategy: { type: 'Recreate' }, paused: true, minReadySeconds: 5 },
    status: {},
  },
  {
    name: 'the strategy of a DeploymentConfig always has resources',
    given: workload('DeploymentConfig', { strategy: { type: 'Rolling' }, triggers: [] }),
    spec: { strategy: { resources: {}, type: 'Rolling' }, test: false, triggers: [] },
    status: { availableReplicas: 0, latestVersion: 0, observedGeneration: 0, replicas: 0, unavailableReplicas: 0, updatedReplicas: 0 },
  },
];
for (const { name, given, spec, status } of cases) {
  test(name, () => assert.deepEqual(completeWorkload(given), { ...given, metadata: { name: 'a' }, spec, status }));
}
