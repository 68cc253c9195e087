import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import type { Deployment, DeploymentSpec, EndpointSlice, Endpoints, Pod, ReplicaSet, Service } from '@lateen/kube/types';
import { DEPLOYMENTS, ENDPOINT_SLICES, ENDPOINTS, PODS, REPLICA_SETS, SERVICES } from '../node/kube-resources.ts';
import { FOREVER, shellTemplate, startCluster } from './testing/cluster-fixture.ts';

const deployment = (name: string, spec: Partial<DeploymentSpec> = {}, version = 'v1'): Deployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace: 'default' },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: name } },
    template: shellTemplate({ app: name, version }),
    ...spec,
  },
});

const service = (name: string, spec: Partial<Service['spec']> = {}): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { clusterIP: '10.96.0.77', selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 'http' }], ...spec },
});

test('a deployment rolls out, scales, updates, and goes back, as kubectl rollout reads it', async (t) => {
  const { client } = await startCluster(t);
  const read = () => client.find<Deployment>(DEPLOYMENTS, 'web', 'default') as Deployment;
  const sets = () => client.all<ReplicaSet>(REPLICA_SETS);
  const isDone = (replicas: number) => {
    const { metadata, status } = read();
    assert.equal(status?.observedGeneration, metadata.generation);
    assert.deepEqual([status?.updatedReplicas, status?.replicas, status?.availableReplicas], [replicas, replicas, replicas]);
    assert.equal(status?.conditions?.find(({ type }) => type === 'Progressing')?.reason, 'NewReplicaSetAvailable');
    assert.equal(status?.conditions?.find(({ type }) => type === 'Available')?.status, 'True');
  };
  // Six processes start and end one after the other: more than ten seconds on a machine with other work.
  const done = (replicas: number) => eventually(() => isDone(replicas), { timeoutMs: 60_000 });
  await client.create(DEPLOYMENTS, deployment('web'));
  await done(2);
  assert.equal(read().metadata.annotations?.['deployment.kubernetes.io/revision'], '1');
  const [first] = sets();
  assert.match(first?.metadata.name ?? '', /^web-[a-z0-9]{10}$/);
  assert.equal(client.all<Pod>(PODS)[0]?.metadata.labels?.['pod-template-hash'], first?.metadata.labels?.['pod-template-hash']);

  await client.patch(DEPLOYMENTS, { namespace: 'default', name: 'web' }, { type: 'merge', body: { spec: { replicas: 3 } } });
  await done(3);
  assert.equal(sets().length, 1);

  await client.patch(
    DEPLOYMENTS,
    { namespace: 'default', name: 'web' },
    { type: 'merge', body: { spec: { template: { metadata: { labels: { version: 'v2' } } } } } },
  );
  await eventually(() => assert.equal(sets().length, 2));
  await done(3);
  assert.ok(
    client
      .all<Pod>(PODS)
      .filter(({ metadata }) => !metadata.deletionTimestamp)
      .every(({ metadata }) => metadata.labels?.version === 'v2'),
  );
  assert.equal(read().metadata.annotations?.['deployment.kubernetes.io/revision'], '2');

  await client.patch(
    DEPLOYMENTS,
    { namespace: 'default', name: 'web' },
    { type: 'merge', body: { spec: { template: { metadata: { labels: { version: 'v1' } } } } } },
  );
  await eventually(() => assert.equal(read().metadata.annotations?.['deployment.kubernetes.io/revision'], '3'));
  await done(3);
  assert.equal(sets().length, 2, 'the first set serves again');
});

test('a paused deployment only scales; Recreate ends the old pods before it starts new ones', async (t) => {
  const { client } = await startCluster(t);
  await client.create(DEPLOYMENTS, deployment('old', { replicas: 1, strategy: { type: 'Recreate' } }));
  const pods = () => client.all<Pod>(PODS);
  await eventually(() => assert.equal(pods()[0]?.status?.phase, 'Running'));
  let most = 0;
  const watching = setInterval(() => {
    most = Math.max(most, pods().length);
  }, 2);
  t.after(() => clearInterval(watching));
  await client.patch(
    DEPLOYMENTS,
    { namespace: 'default', name: 'old' },
    { type: 'merge', body: { spec: { template: { metadata: { labels: { version: 'v2' } } } } } },
  );
  await eventually(() =>
    assert.ok(pods().some(({ metadata, status }) => metadata.labels?.version === 'v2' && status?.phase === 'Running')),
  );
  assert.equal(most, 1);
  await client.patch(
    DEPLOYMENTS,
    { namespace: 'default', name: 'old' },
    { type: 'merge', body: { spec: { paused: true, replicas: 2, template: { metadata: { labels: { version: 'v3' } } } } } },
  );
  await eventually(() => assert.equal(pods().length, 2));
  assert.ok(pods().every(({ metadata }) => metadata.labels?.version === 'v2'));
});

test('a pod that dies is replaced, an orphan that matches is adopted', async (t) => {
  const { client, createPod } = await startCluster(t);
  await createPod('orphan', { containers: [{ name: 'app', image: 'shell', args: [FOREVER] }] });
  await client.create(DEPLOYMENTS, deployment('web', { replicas: 1 }));
  await eventually(() => assert.equal(client.all<Pod>(PODS).length, 2));
  const [set] = client.all<ReplicaSet>(REPLICA_SETS);
  await client.patch(
    PODS,
    { namespace: 'default', name: 'orphan' },
    { type: 'merge', body: { metadata: { labels: set?.spec.selector.matchLabels } } },
  );
  await eventually(() => assert.equal(client.all<Pod>(PODS).length, 1), { timeoutMs: 15_000 });
  const [only] = client.all<Pod>(PODS);
  await client.delete(PODS, { namespace: 'default', name: only?.metadata.name ?? '' });
  await eventually(() => {
    const [next] = client.all<Pod>(PODS);
    assert.notEqual(next?.metadata.uid, only?.metadata.uid);
    assert.equal(next?.status?.phase, 'Running');
  });
});

test('slices, endpoints and the table follow the pods; a terminating pod leaves the table before it gets SIGTERM', async (t) => {
  const { client, network } = await startCluster(t);
  await client.create(SERVICES, service('web'));
  await client.create(DEPLOYMENTS, deployment('web', { replicas: 1 }));
  const targets = () => network.tables.at(-1)?.find(({ name }) => name === 'web')?.ports[0]?.targets ?? [];
  await eventually(() => assert.equal(targets().length, 1));
  const [pod] = client.all<Pod>(PODS);
  assert.deepEqual(targets(), [{ host: pod?.status?.podIP, port: 9080 }]);
  const [slice] = client.all<EndpointSlice>(ENDPOINT_SLICES);
  assert.deepEqual(slice?.endpoints[0]?.conditions, { ready: true, serving: true, terminating: false });
  assert.equal(slice?.endpoints[0]?.zone, 'local');
  assert.equal(slice?.metadata.labels?.['kubernetes.io/service-name'], 'web');
  await eventually(() => assert.equal(client.find<Endpoints>(ENDPOINTS, 'web', 'default')?.subsets?.[0]?.addresses?.length, 1));
  await client.patch(DEPLOYMENTS, { namespace: 'default', name: 'web' }, { type: 'merge', body: { spec: { replicas: 0 } } });
  await eventually(() => assert.equal(targets().length, 0), { intervalMs: 2 });
  assert.ok(client.all<Pod>(PODS)[0]?.status?.containerStatuses?.[0]?.state?.running, 'still running when traffic has left');
  await eventually(() => assert.equal(client.all<Pod>(PODS).length, 0));
  await eventually(() => assert.deepEqual(client.all<EndpointSlice>(ENDPOINT_SLICES)[0]?.endpoints, []));
});

test('a LoadBalancer service gets its address, and an event for each port that is refused', async (t) => {
  const { client, network, events } = await startCluster(t);
  network.loadBalancers = new Map([
    ['default/gateway', { hostname: '127.0.0.2', bound: [443], refused: [{ port: 80, reason: 'in use' }] }],
  ]);
  const ports = [
    { name: 'http2', port: 80 },
    { name: 'https', port: 443 },
  ];
  await client.create(SERVICES, service('gateway', { type: 'LoadBalancer', ports }));
  await eventually(() =>
    assert.deepEqual(client.find<Service>(SERVICES, 'gateway', 'default')?.status?.loadBalancer?.ingress, [
      {
        ip: '127.0.0.2',
        hostname: '127.0.0.2',
        ports: [
          { port: 80, protocol: 'TCP', error: 'PortRefused' },
          { port: 443, protocol: 'TCP' },
        ],
      },
    ]),
  );
  await eventually(() => assert.deepEqual(events('PortRefused'), ['port 80 does not answer on 127.0.0.2: in use']));
  await client.patch(SERVICES, { namespace: 'default', name: 'gateway' }, { type: 'merge', body: { spec: { type: 'ClusterIP' } } });
  network.loadBalancers = new Map();
  await eventually(() => assert.deepEqual(client.find<Service>(SERVICES, 'gateway', 'default')?.status?.loadBalancer?.ingress, []));
});
