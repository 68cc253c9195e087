import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { createHttpTransport } from '../client/http-transport.ts';
import { createKubeClient, type KubeClient } from '../client/kube-client.ts';
import { type FakeApiServer, startFakeApiServer } from '../testing/fake-api-server.ts';
import type { Lease } from '../types/index.ts';
import { createLeaderElector, LEASES } from './leader-election.ts';

describe('leader election', () => {
  let server: FakeApiServer;
  let client: KubeClient;
  beforeEach(async () => {
    server = await startFakeApiServer();
    client = createKubeClient(
      createHttpTransport({ server: server.url, credentials: { kind: 'none' }, namespace: 'default', description: 'test' }),
    );
  });
  afterEach(async () => {
    await client.close();
    await server.close();
  });
  const times = { leaseDurationMs: 400, renewDeadlineMs: 250, retryPeriodMs: 20 };
  const elector = (identity: string, events: string[] = []) =>
    createLeaderElector({
      client,
      namespace: 'istio-system',
      name: 'lateen',
      identity,
      ...times,
      onStartedLeading: () => events.push(`${identity} started`),
      onStoppedLeading: () => events.push(`${identity} stopped`),
    });

  test('one leads; the other takes over at once when it closes', async () => {
    const events: string[] = [];
    const a = elector('a', events);
    await eventually(() => a.isLeader);
    const b = elector('b', events);
    const looks = server.requests.length;
    await eventually(() => server.requests.length > looks + 10);
    assert.equal(b.isLeader, false);
    await a.close();
    await eventually(() => b.isLeader);
    assert.deepEqual(events, ['a started', 'a stopped', 'b started']);
    const lease = await client.get<Lease>(LEASES, { namespace: 'istio-system', name: 'lateen' });
    assert.equal(lease.spec?.holderIdentity, 'b');
    await b.close();
  });

  test('a leader that cannot renew steps down before its lease can be taken', async () => {
    const events: string[] = [];
    const a = elector('a', events);
    await eventually(() => a.isLeader);
    const failing = setInterval(() => server.failNext(503, 'ServiceUnavailable'), 5);
    try {
      await eventually(() => assert.deepEqual(events, ['a started', 'a stopped']));
    } finally {
      clearInterval(failing);
    }
    await a.close();
  });

  test('the lease of a dead leader is taken once it ran out', async () => {
    await client.create(LEASES, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: 'lateen', namespace: 'istio-system' },
      spec: { holderIdentity: 'dead', renewTime: '2020-01-01T00:00:00.000000Z', leaseTransitions: 3 },
    });
    const b = elector('b');
    await eventually(() => b.isLeader);
    const lease = await client.get<Lease>(LEASES, { namespace: 'istio-system', name: 'lateen' });
    assert.equal(lease.spec?.leaseTransitions, 4);
    await b.close();
  });
});
