import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { ok, silentLogger } from '@lateen/base';
import { eventually } from '@lateen/base/testing';
import { createAdsClient } from '@lateen/xds/client';
import { ClusterSchema, ListenerSchema } from '@lateen/xds/messages/config';
import { CLUSTER_TYPE, LISTENER_TYPE } from '@lateen/xds/server';
import { startControlPlane } from './control.ts';

const SERVICE = `
apiVersion: v1
kind: Service
metadata: { name: reviews, namespace: default }
spec: { clusterIP: 10.0.0.1, ports: [{ name: http, port: 9080 }], selector: { app: reviews } }
`;
const RULE = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews, namespace: default }
spec: { host: reviews, subsets: [{ name: v1, labels: { version: v1 } }] }
`;

async function start(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'lateen-control-'));
  const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
  write('service.yaml', SERVICE);
  const loopback = { host: '127.0.0.1', port: 0 };
  const controlPlane = await startControlPlane({
    source: { kind: 'directory', directory },
    xds: loopback,
    http: loopback,
    debounceAfterMs: 10,
  });
  t.after(async () => {
    await controlPlane.close();
    rmSync(directory, { recursive: true });
  });
  const get = async (path: string) => fetch(`http://127.0.0.1:${controlPlane.ports.http}${path}`);
  return { controlPlane, write, get };
}

/** A client that takes everything and keeps the names of clusters and listeners. */
function connect(t: TestContext, port: number, protocol: 'delta' | 'sotw') {
  const names = new Map<string, Set<string>>([CLUSTER_TYPE, LISTENER_TYPE].map((typeUrl) => [typeUrl, new Set()]));
  const client = createAdsClient({
    address: `127.0.0.1:${port}`,
    protocol,
    node: { id: 'sidecar~10.0.0.9~client.default~default.svc.cluster.local', metadata: { LABELS: { app: 'client' } } },
    types: [
      { typeUrl: CLUSTER_TYPE, isFullState: true, nameOf: ({ value }) => fromBinary(ClusterSchema, value).name },
      { typeUrl: LISTENER_TYPE, isFullState: true, nameOf: ({ value }) => fromBinary(ListenerSchema, value).name },
    ],
    onUpdate(update) {
      const known = names.get(update.typeUrl);
      for (const name of update.changed.keys()) known?.add(name);
      for (const name of update.removed) known?.delete(name);
      return ok(undefined);
    },
    logger: silentLogger,
  });
  t.after(() => client.close());
  client.subscribe(CLUSTER_TYPE, '*');
  client.subscribe(LISTENER_TYPE, '*');
  return (typeUrl: string) => names.get(typeUrl) ?? new Set();
}

for (const protocol of ['delta', 'sotw'] as const) {
  test(`a ${protocol} client gets its configuration, and a rule written to the directory reaches it`, async (t) => {
    const { controlPlane, write, get } = await start(t);
    const names = connect(t, controlPlane.ports.xds, protocol);
    await eventually(() => names(CLUSTER_TYPE).has('outbound|9080||reviews.default.svc.cluster.local'));
    await eventually(() => names(LISTENER_TYPE).has('0.0.0.0_9080') && names(LISTENER_TYPE).has('virtualInbound'));
    write('rule.yaml', RULE);
    await eventually(() => names(CLUSTER_TYPE).has('outbound|9080|v1|reviews.default.svc.cluster.local'));
    write('rule.yaml', '');
    await eventually(() => !names(CLUSTER_TYPE).has('outbound|9080|v1|reviews.default.svc.cluster.local'));
    const [status] = (await (await get('/debug/syncz')).json()) as Record<string, string>[];
    assert.equal(status?.['proxy'], 'client.default');
    assert.equal(status?.['cluster_sent'], status?.['cluster_acked']);
  });
}

test('a broken file keeps the objects it had, and says so only in the log', async (t) => {
  const { write, get } = await start(t);
  const hostnames = async () => ((await (await get('/debug/registryz')).json()) as { hostname: string }[]).map(({ hostname }) => hostname);
  write('service.yaml', `${SERVICE}\n---\n{ broken`);
  write('other.yaml', SERVICE.replaceAll('reviews', 'ratings'));
  await eventually(async () => (await hostnames()).length === 2);
  assert.deepEqual((await hostnames()).sort(), ['ratings.default.svc.cluster.local', 'reviews.default.svc.cluster.local']);
});

test('the admin address answers readiness, metrics, version and debug pages', async (t) => {
  const { get } = await start(t);
  assert.equal((await get('/ready')).status, 200);
  assert.match(await (await get('/metrics')).text(), /^pilot_services 1$/m);
  assert.equal(typeof ((await (await get('/version')).json()) as { version: string }).version, 'string');
  assert.equal((await get('/debug/unheard-of')).status, 404);
  assert.match(await (await get('/debug/config_dump?proxyID=nobody.default')).text(), /no proxy/);
});
