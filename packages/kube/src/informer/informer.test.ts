import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createBackoff } from '@lateen/base';
import { eventually } from '@lateen/base/testing';
import { createHttpTransport } from '../client/http-transport.ts';
import { createKubeClient, type KubeClient } from '../client/kube-client.ts';
import { CONFIG_MAPS, type FakeApiServer, startFakeApiServer } from '../testing/fake-api-server.ts';
import type { ConfigMap } from '../types/index.ts';
import { createInformer, type Informer } from './informer.ts';

describe('an informer', () => {
  let server: FakeApiServer;
  let client: KubeClient;
  let informer: Informer<ConfigMap>;
  let seen: string[];
  const errors: unknown[] = [];

  beforeEach(async () => {
    server = await startFakeApiServer();
    client = createKubeClient(
      createHttpTransport({ server: server.url, credentials: { kind: 'none' }, namespace: 'default', description: 'test' }),
    );
    seen = [];
    errors.length = 0;
  });
  afterEach(async () => {
    await informer.close();
    await client.close();
    await server.close();
  });

  const start = () => {
    informer = createInformer<ConfigMap>({
      client,
      resource: CONFIG_MAPS,
      backoff: createBackoff({ baseMs: 5, maxMs: 20 }),
      onError: (error) => errors.push(error),
      handlers: {
        onAdd: ({ metadata }) => seen.push(`+${metadata.name}`),
        onUpdate: ({ metadata }) => seen.push(`~${metadata.name}`),
        onDelete: ({ metadata }) => seen.push(`-${metadata.name}`),
      },
    });
  };

  test('lists all pages, then follows the watch', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) server.put(name, {});
    start();
    assert.equal(informer.hasSynced, false);
    await informer.synced();
    assert.deepEqual(seen, ['+a', '+b', '+c', '+d', '+e']);
    server.put('b', { x: '1' });
    server.put('f', {});
    server.remove('a');
    await eventually(() => assert.deepEqual(seen.slice(5), ['~b', '+f', '-a']));
    assert.equal(informer.store.get('default', 'b')?.data?.['x'], '1');
    assert.equal(informer.store.get('default', 'b')?.kind, 'ConfigMap');
    assert.equal(informer.store.list().length, 5);
    assert.ok(server.requests.some((request) => request.includes('allowWatchBookmarks=true')));
  });

  test('goes on from the last version when the connection breaks', async () => {
    server.put('a', {});
    start();
    await eventually(() => server.watchers === 1);
    server.cut();
    server.put('b', {});
    await eventually(() => assert.deepEqual(seen, ['+a', '+b']));
    assert.equal(server.requests.filter((request) => !request.includes('watch')).length, 1, 'it must not list again');
  });

  test('lists again after 410 and reports what vanished meanwhile', async () => {
    server.put('a', {});
    server.put('b', {});
    start();
    await eventually(() => server.watchers === 1);
    server.failNext(410, 'Expired');
    server.cut();
    server.remove('a');
    server.put('c', {});
    await eventually(() => assert.deepEqual(seen, ['+a', '+b', '-a', '+c']));
    assert.deepEqual(
      errors.filter((error) => (error as { httpStatus?: number }).httpStatus === 410),
      [],
    );
  });

  test('lists again after an ERROR event with 410', async () => {
    server.put('a', {});
    start();
    await eventually(() => server.watchers === 1);
    server.send({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' } });
    await eventually(() => server.requests.filter((request) => !request.includes('watch')).length === 2);
  });

  test('recovers from failing lists, failing watches and garbage', async () => {
    server.failNext(500, 'InternalError');
    server.failNext(403, 'Forbidden');
    server.put('a', {});
    start();
    await informer.synced();
    await eventually(() => server.watchers === 1);
    server.failNext(503, 'ServiceUnavailable');
    server.cut();
    await eventually(() => server.watchers === 1 && errors.length >= 3);
    server.send('not an event');
    await eventually(() => errors.length >= 4);
    server.put('b', {});
    await eventually(() => assert.deepEqual(seen, ['+a', '+b']));
  });

  test('a bookmark moves the version that the next watch starts from', async () => {
    start();
    await eventually(() => server.watchers === 1);
    server.send({ type: 'BOOKMARK', object: { kind: 'ConfigMap', apiVersion: 'v1', metadata: { resourceVersion: '777' } } });
    server.finish();
    await eventually(() => server.requests.some((request) => request.includes('resourceVersion=777')));
  });

  test('a handler that throws stops nothing, and late subscribers get what is there', async () => {
    server.put('a', {});
    start();
    informer.subscribe({
      onAdd: () => {
        throw new Error('bug');
      },
    });
    await informer.synced();
    server.put('b', {});
    await eventually(() => assert.deepEqual(seen, ['+a', '+b']));
    const late: string[] = [];
    const unsubscribe = informer.subscribe({ onAdd: ({ metadata }) => late.push(metadata.name) });
    assert.deepEqual(late, ['a', 'b']);
    unsubscribe();
  });
});
