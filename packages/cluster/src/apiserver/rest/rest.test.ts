// The API's own semantics, through the in-process transport.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { isConflict, isNotFound, type KubeError, readBody, readLines } from '@lateen/kube';
import type { KubeList, KubeObject, ResourceRef, WatchEvent } from '@lateen/kube/types';
import { createStore } from '../../store/index.ts';
import { startTestServer, type TestServer } from '../testing/test-server.ts';

const CONFIG_MAPS: ResourceRef = { group: '', version: 'v1', resource: 'configmaps', namespaced: true };
const PODS: ResourceRef = { group: '', version: 'v1', resource: 'pods', namespaced: true };
const DEPLOYMENTS: ResourceRef = { group: 'apps', version: 'v1', resource: 'deployments', namespaced: true };
const SERVICES: ResourceRef = { group: '', version: 'v1', resource: 'services', namespaced: true };
const PATH = '/api/v1/namespaces/default/configmaps';

const map = (name: string, extra: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default', ...extra },
});
const at = (name: string) => ({ namespace: 'default', name });
const pod = (name: string, spec: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default' },
  spec: { containers: [{ name: 'app', image: 'x' }], ...spec },
});

/** A watch whose events pile up in `events`. */
async function startWatch(t: TestContext, test: TestServer, query: Record<string, string>, path = PATH): Promise<WatchEvent[]> {
  const events: WatchEvent[] = [];
  const abort = new AbortController();
  t.after(() => abort.abort());
  const response = await test.server.transport.request({ method: 'GET', path, query: { watch: 'true', ...query }, signal: abort.signal });
  void (async () => {
    for await (const line of readLines(response.body)) events.push(JSON.parse(line) as WatchEvent);
  })();
  return events;
}

const summary = (events: WatchEvent[]): string[] =>
  events.map((event) => `${event.type} ${(event.object as KubeObject).metadata.name ?? ''}`.trim());

describe('watch', () => {
  it('replays from a resource version and goes on', async (t) => {
    const test = await startTestServer(t);
    const first = await test.client.create(CONFIG_MAPS, map('a'));
    await test.client.create(CONFIG_MAPS, map('b'));
    const events = await startWatch(t, test, { resourceVersion: first.metadata.resourceVersion ?? '' });
    await test.client.delete(CONFIG_MAPS, at('a'));
    await eventually(() => assert.deepEqual(summary(events), ['ADDED b', 'DELETED a']));
  });

  it('begins with the present state without a resource version', async (t) => {
    const test = await startTestServer(t);
    await test.client.create(CONFIG_MAPS, map('a'));
    const events = await startWatch(t, test, {});
    await eventually(() => assert.deepEqual(summary(events), ['ADDED a']));
  });

  it('streams a list with sendInitialEvents and marks its end', async (t) => {
    const test = await startTestServer(t);
    await test.client.create(CONFIG_MAPS, map('a'));
    const events = await startWatch(t, test, {
      sendInitialEvents: 'true',
      allowWatchBookmarks: 'true',
      resourceVersionMatch: 'NotOlderThan',
    });
    await eventually(() => assert.deepEqual(summary(events), ['ADDED a', 'BOOKMARK']));
    assert.deepEqual((events[1]!.object as KubeObject).metadata.annotations, { 'k8s.io/initial-events-end': 'true' });
  });

  it('turns what a selector hides into deletions and additions', async (t) => {
    const test = await startTestServer(t);
    const events = await startWatch(t, test, { labelSelector: 'app=x' });
    await test.client.create(CONFIG_MAPS, map('a', { labels: { app: 'x' } }));
    for (const app of ['y', 'x']) await test.client.patch(CONFIG_MAPS, at('a'), { type: 'merge', body: { metadata: { labels: { app } } } });
    await eventually(() => assert.deepEqual(summary(events), ['ADDED a', 'DELETED a', 'ADDED a']));
  });

  it('says 410 Expired inside the stream when the history is gone', async (t) => {
    const test = await startTestServer(t, { store: createStore({ historySize: 10 }) });
    for (let i = 0; i < 40; i++) await test.client.create(CONFIG_MAPS, map(`m${i}`));
    const events = await startWatch(t, test, { resourceVersion: '1' });
    await eventually(() => events.length === 1);
    assert.deepEqual([events[0]?.type, (events[0]!.object as { code?: number; reason?: string }).code], ['ERROR', 410]);
  });

  it('ends at its timeout with a bookmark when it was asked for one', async (t) => {
    const test = await startTestServer(t);
    const response = await test.server.transport.request({
      method: 'GET',
      path: PATH,
      query: { watch: '1', timeoutSeconds: '1', allowWatchBookmarks: 'true' },
    });
    const lines: WatchEvent[] = [];
    for await (const line of readLines(response.body)) lines.push(JSON.parse(line) as WatchEvent);
    assert.deepEqual(summary(lines), ['BOOKMARK']);
  });
});

describe('list', () => {
  it('pages through one revision however much changes meanwhile', async (t) => {
    const test = await startTestServer(t);
    for (const name of ['a', 'b', 'c', 'd', 'e']) await test.client.create(CONFIG_MAPS, map(name));
    const names: string[] = [];
    let token: string | undefined;
    do {
      const page: KubeList = await test.client.requestJson({ method: 'GET', path: PATH, query: { limit: '2', continue: token } });
      names.push(...page.items.map((one) => one.metadata.name));
      token = page.metadata.continue;
      if (names.length === 2) {
        assert.equal(page.metadata.remainingItemCount, 3);
        await test.client.delete(CONFIG_MAPS, at('c'));
        await test.client.create(CONFIG_MAPS, map('bb'));
      }
    } while (token);
    assert.deepEqual(names, ['a', 'b', 'c', 'd', 'e']);
  });

  it('selects by labels and by any field', async (t) => {
    const test = await startTestServer(t);
    await test.client.create(CONFIG_MAPS, { ...map('a', { labels: { app: 'x' } }), data: { color: 'red' } });
    await test.client.create(CONFIG_MAPS, map('b', { labels: { app: 'y' } }));
    const names = async (query: Record<string, string>) =>
      (await test.client.requestJson<KubeList>({ method: 'GET', path: PATH, query })).items.map((one) => one.metadata.name);
    assert.deepEqual(await names({ labelSelector: 'app in (x,z)' }), ['a']);
    assert.deepEqual(await names({ labelSelector: 'app!=x' }), ['b']);
    assert.deepEqual(await names({ fieldSelector: 'metadata.name=b' }), ['b']);
    assert.deepEqual(await names({ fieldSelector: 'data.color=red' }), ['a']);
  });
});

const reason = (error: unknown): string => `${(error as KubeError).message}`;
const refused = (work: Promise<unknown>): Promise<string> => work.then(() => assert.fail('it was accepted'), reason);

describe('writing', () => {
  it('refuses stale updates, and patches without a version try again', async (t) => {
    const test = await startTestServer(t);
    const old = await test.client.create(CONFIG_MAPS, map('a'));
    await test.client.update(CONFIG_MAPS, { ...old, data: { x: '1' } });
    await assert.rejects(test.client.update(CONFIG_MAPS, { ...old, data: { x: '2' } }), isConflict);
    await Promise.all(
      ['p', 'q', 'r'].map((key) => test.client.patch(CONFIG_MAPS, at('a'), { type: 'merge', body: { data: { [key]: '1' } } })),
    );
    assert.deepEqual((await test.client.get(CONFIG_MAPS, at('a')))['data'], { x: '1', p: '1', q: '1', r: '1' });
  });

  it('does not write what changes nothing', async (t) => {
    const test = await startTestServer(t);
    const before = await test.client.create(CONFIG_MAPS, { ...map('a'), data: { x: '1' } });
    const after = await test.client.patch(CONFIG_MAPS, at('a'), { type: 'merge', body: { data: { x: '1' } } });
    assert.equal(after.metadata.resourceVersion, before.metadata.resourceVersion);
  });

  it('counts generations of the desired state only, and keeps spec and status apart', async (t) => {
    const test = await startTestServer(t);
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'x' }] } };
    const created = await test.client.create(DEPLOYMENTS, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'd', namespace: 'default' },
      spec: { selector: { matchLabels: { a: 'b' } }, template },
      status: { replicas: 9 },
    } as KubeObject);
    assert.deepEqual([created.metadata.generation, created['status']], [1, {}]);
    const scaled = await test.client.patch(DEPLOYMENTS, at('d'), {
      type: 'merge',
      body: { spec: { replicas: 4 }, status: { replicas: 9 } },
    });
    assert.deepEqual([scaled.metadata.generation, scaled['status']], [2, {}]);
    const reported = await test.client.updateStatus(DEPLOYMENTS, { ...scaled, spec: {}, status: { replicas: 4 } });
    assert.deepEqual(
      [reported.metadata.generation, (reported['spec'] as { replicas: number }).replicas, reported['status']],
      [2, 4, { replicas: 4 }],
    );
  });

  it('makes names, and refuses impossible ones', async (t) => {
    const test = await startTestServer(t);
    const created = await test.client.requestJson<KubeObject>({
      method: 'POST',
      path: PATH,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ metadata: { generateName: 'made-' } }),
    });
    assert.match(created.metadata.name, /^made-[a-z0-9]{5}$/);
    assert.match(
      await refused(test.client.create(CONFIG_MAPS, map(''))),
      /metadata.name: Required value: name or generateName is required/,
    );
  });

  it('holds a deleted object until its finalizers are gone', async (t) => {
    const test = await startTestServer(t);
    await test.client.create(CONFIG_MAPS, map('a', { finalizers: ['example.com/hold'] }));
    await test.client.delete(CONFIG_MAPS, at('a'));
    const held = await test.client.get(CONFIG_MAPS, at('a'));
    assert.ok(held.metadata.deletionTimestamp);
    assert.match(
      await refused(
        test.client.patch(CONFIG_MAPS, at('a'), {
          type: 'merge',
          body: { metadata: { finalizers: ['example.com/hold', 'example.com/more'] } },
        }),
      ),
      /no new finalizers can be added if the object is being deleted, found new finalizers \[\]string\{"example.com\/more"\}/,
    );
    await test.client.patch(CONFIG_MAPS, at('a'), { type: 'merge', body: { metadata: { finalizers: null } } });
    await assert.rejects(test.client.get(CONFIG_MAPS, at('a')), isNotFound);
  });

  it('deletes a pod on a node gracefully, others at once', async (t) => {
    const test = await startTestServer(t);
    await test.client.create(PODS, pod('placed', { nodeName: 'n' }));
    await test.client.create(PODS, pod('waiting'));
    await test.client.delete(PODS, at('waiting'));
    await assert.rejects(test.client.get(PODS, at('waiting')), isNotFound);
    await test.client.delete(PODS, at('placed'));
    assert.equal((await test.client.get(PODS, at('placed'))).metadata.deletionGracePeriodSeconds, 30);
    await test.client.delete(PODS, at('placed'), { gracePeriodSeconds: 0 });
    await assert.rejects(test.client.get(PODS, at('placed')), isNotFound);
  });

  it('checks preconditions of a deletion', async (t) => {
    const test = await startTestServer(t);
    await test.client.create(CONFIG_MAPS, map('a'));
    await assert.rejects(test.client.delete(CONFIG_MAPS, at('a'), { preconditions: { uid: 'other' } }), isConflict);
  });

  it('binds a pod to a node and lets nothing else of its spec change', async (t) => {
    const test = await startTestServer(t);
    await test.client.create(PODS, pod('p'));
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'p' }, target: { kind: 'Node', name: 'n1' } };
    const post = () =>
      test.client.requestJson({
        method: 'POST',
        path: '/api/v1/namespaces/default/pods/p/binding',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(binding),
      });
    await post();
    const bound = await test.client.get(PODS, at('p'));
    assert.equal((bound['spec'] as { nodeName: string }).nodeName, 'n1');
    assert.match(await refused(post()), /already assigned to node "n1"/);
    assert.match(
      await refused(test.client.patch(PODS, at('p'), { type: 'merge', body: { spec: { hostNetwork: true } } })),
      /pod updates may not change fields other than/,
    );
  });

  it('gives services addresses and node ports once, and takes wanted ones', async (t) => {
    const test = await startTestServer(t);
    const service = (name: string, spec: object): KubeObject => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default' },
      spec: { ports: [{ port: 80 }], ...spec },
    });
    const specOf = (object: KubeObject) => object['spec'] as { clusterIP?: string; ports: { nodePort?: number; targetPort: number }[] };
    const [a, b] = [
      await test.client.create(SERVICES, service('a', {})),
      await test.client.create(SERVICES, service('b', { type: 'NodePort' })),
    ];
    assert.match(specOf(a).clusterIP ?? '', /^10\.96\./);
    assert.notEqual(specOf(a).clusterIP, specOf(b).clusterIP);
    assert.ok((specOf(b).ports[0]?.nodePort ?? 0) >= 30_000);
    assert.equal(specOf(a).ports[0]?.targetPort, 80);
    assert.equal(specOf(await test.client.create(SERVICES, service('dns', { clusterIP: '10.96.0.10' }))).clusterIP, '10.96.0.10');
    assert.match(
      await refused(test.client.create(SERVICES, service('c', { clusterIP: '10.96.0.10' }))),
      /provided IP is already allocated/,
    );
    assert.equal(specOf(await test.client.create(SERVICES, service('none', { clusterIP: 'None' }))).clusterIP, 'None');
    assert.equal(
      specOf(await test.client.create(SERVICES, service('out', { type: 'ExternalName', externalName: 'x.org', ports: undefined })))
        .clusterIP,
      undefined,
    );
    const kept = await test.client.update(SERVICES, {
      ...service('a', { type: 'LoadBalancer' }),
      metadata: { name: 'a', namespace: 'default' },
    });
    assert.equal(specOf(kept).clusterIP, specOf(a).clusterIP);
  });

  it('serves the same events in both groups', async (t) => {
    const test = await startTestServer(t);
    await test.client.create({ group: '', version: 'v1', resource: 'events', namespaced: true }, {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'e', namespace: 'default' },
      involvedObject: { kind: 'Pod', name: 'p' },
      reason: 'Started',
      message: 'hello',
    } as KubeObject);
    const other = await test.client.get({ group: 'events.k8s.io', version: 'v1', resource: 'events', namespaced: true }, at('e'));
    assert.deepEqual([other.apiVersion, other['note'], (other['regarding'] as { name: string }).name], ['events.k8s.io/v1', 'hello', 'p']);
  });

  it('refuses requests of unknown users, and knows tokens and certificates', async (t) => {
    const test = await startTestServer(t);
    const client = test.ca.issueClient('jane', ['team']);
    const https = await import('node:https');
    const ask = (path: string, options: object) =>
      new Promise<{ status: number; body: string }>((resolve, reject) => {
        const request = https.request(
          { host: '127.0.0.1', port: test.port, path, method: 'GET', ca: test.ca.rootPem, agent: false, ...options },
          (response) => {
            void readBody(response).then((body) => resolve({ status: response.statusCode ?? 0, body }));
          },
        );
        request.on('error', reject);
        const { body } = options as { body?: string };
        request.end(body);
      });
    const review = { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } };
    const whoami = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    assert.equal((await ask('/api/v1/namespaces', {})).status, 401);
    assert.equal((await ask('/healthz', {})).body, 'ok');
    assert.equal((await ask('/api/v1/namespaces', { headers: { authorization: 'Bearer wrong' } })).status, 401);
    assert.equal((await ask('/api/v1/namespaces', { headers: { authorization: 'Bearer secret-token' } })).status, 200);
    assert.match(
      (await ask(whoami, { ...review, cert: client.certPem, key: client.keyPem })).body,
      /"username":"jane","groups":\["team","system:authenticated"\]/,
    );
    const account = test.store.get({ resource: 'serviceaccounts', namespace: 'default', name: 'default' });
    const { token } = test.server.tokens.issue({
      namespace: 'default',
      serviceAccount: { name: 'default', uid: account?.metadata.uid ?? '' },
      audiences: ['https://kubernetes.default.svc.cluster.local'],
      expirationSeconds: 600,
    });
    const asAccount = await ask(whoami, { ...review, headers: { ...review.headers, authorization: `Bearer ${token}` } });
    assert.match(asAccount.body, /"username":"system:serviceaccount:default:default"/);
    assert.equal((await ask(whoami, { ...review, headers: { authorization: `Bearer ${token.slice(0, -4)}AAAA` } })).status, 401);
  });
});
