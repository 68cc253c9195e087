import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RetryRuntime } from '../runtime/model.ts';
import type { Host } from '../upstream/host.ts';
import { hostRejection } from './retry-hosts.ts';

const host = (labels: Record<string, unknown>) => ({ endpoint: { metadata: new Map([['envoy.lb', labels]]) } }) as unknown as Host;
const rules = (fields: Partial<RetryRuntime>) => ({ omitCanaryHosts: false, omitHostMetadata: undefined, ...fields }) as RetryRuntime;

test('retries keep away from hosts by their metadata', () => {
  assert.equal(hostRejection(rules({})), undefined);
  const canaries = hostRejection(rules({ omitCanaryHosts: true }));
  assert.equal(canaries?.(host({ canary: true })), true);
  assert.equal(canaries?.(host({ canary: 'true' })), false);
  const zone = hostRejection(rules({ omitHostMetadata: { zone: 'a', disk: 'ssd' } }));
  assert.equal(zone?.(host({ zone: 'a', disk: 'ssd', more: 1 })), true);
  assert.equal(zone?.(host({ zone: 'a' })), false);
});
