import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createVirtualClock, eventually } from '@lateen/base/testing';
import type { Credentials } from '../config/cluster-config.ts';
import { CONFIG_MAPS, type FakeApiServer, startFakeApiServer } from '../testing/fake-api-server.ts';
import type { ConfigMap } from '../types/index.ts';
import { createHttpTransport, type HttpTransportOptions } from './http-transport.ts';
import { createKubeClient, type KubeClient, resourcePath } from './kube-client.ts';
import { isAlreadyExists, isConflict, isNotFound, KubeError } from './kube-error.ts';

const CONFIG_MAP: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'default' }, data: { x: '1' } };

describe('the client', () => {
  let server: FakeApiServer;
  let client: KubeClient;
  let folder: string;
  const connectAs = (credentials: Credentials, options: HttpTransportOptions = {}) => {
    client = createKubeClient(createHttpTransport({ server: server.url, credentials, namespace: 'default', description: 'test' }, options));
  };
  beforeEach(async () => {
    server = await startFakeApiServer();
    folder = await mkdtemp(join(tmpdir(), 'lateen-kube-'));
    connectAs({ kind: 'none' });
  });
  afterEach(async () => {
    await client.close();
    await server.close();
    await rm(folder, { recursive: true });
  });
  const target = { namespace: 'default', name: 'a' };
  type Echo = { contentType: string; body: string; authorization: string };

  test('creates, gets, updates and tells the usual refusals apart', async () => {
    await assert.rejects(client.get(CONFIG_MAPS, target), isNotFound);
    const created = await client.create(CONFIG_MAPS, CONFIG_MAP);
    await assert.rejects(client.create(CONFIG_MAPS, CONFIG_MAP), isAlreadyExists);
    await client.update(CONFIG_MAPS, { ...created, data: { x: '2' } });
    await assert.rejects(client.update(CONFIG_MAPS, created), (error: unknown) => {
      assert.ok(isConflict(error) && !isAlreadyExists(error) && error instanceof KubeError);
      assert.equal(error.message, 'refused: Conflict: PUT /api/v1/namespaces/default/configmaps/a failed with 409 Conflict');
      return true;
    });
    assert.deepEqual((await client.get<ConfigMap>(CONFIG_MAPS, target)).data, { x: '2' });
  });

  test('lists page by page', async () => {
    for (const name of ['a', 'b', 'c']) server.put(name, {});
    const page = await client.list<ConfigMap>(CONFIG_MAPS, { namespace: 'default', limit: 2 });
    assert.deepEqual([page.items.map(({ metadata }) => metadata.name), page.metadata.continue], [['a', 'b'], '2']);
    assert.equal((await client.listAll(CONFIG_MAPS)).items.length, 3);
    server.requests.length = 0;
    await client.list(CONFIG_MAPS, { namespace: 'a b', labelSelector: 'a in (b,c)' });
    assert.deepEqual(server.requests, ['GET /api/v1/namespaces/a%20b/configmaps?labelSelector=a+in+%28b%2Cc%29']);
  });

  for (const [type, mediaType] of [
    ['json', 'json-patch+json'],
    ['merge', 'merge-patch+json'],
    ['strategic', 'strategic-merge-patch+json'],
    ['apply', 'apply-patch+yaml'],
  ] as const) {
    test(`patches with ${mediaType}`, async () => {
      const echo = await client.patch<Echo>(CONFIG_MAPS, target, { type, body: { a: 1 }, subresource: 'status', force: true });
      assert.deepEqual([echo.contentType, echo.body], [`application/${mediaType}`, '{"a":1}']);
      assert.equal(server.requests[0], 'PATCH /api/v1/namespaces/default/configmaps/a/status?fieldManager=lateen&force=true');
    });
  }

  test('builds paths for every kind of resource', () => {
    const crds = { group: 'apiextensions.k8s.io', version: 'v1', resource: 'customresourcedefinitions', namespaced: false };
    assert.equal(resourcePath(crds, { namespace: 'ignored', name: 'x.y' }), '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/x.y');
    assert.equal(resourcePath(CONFIG_MAPS), '/api/v1/configmaps');
  });

  test('reads a rotated token file again, at once after a 401', async () => {
    const path = join(folder, 'token');
    writeFileSync(path, 'one\n');
    const clock = createVirtualClock();
    connectAs({ kind: 'tokenFile', path }, { clock });
    assert.equal(((await client.delete(CONFIG_MAPS, target)) as unknown as Echo).authorization, 'Bearer one');
    writeFileSync(path, 'two\n');
    assert.equal(((await client.delete(CONFIG_MAPS, target)) as unknown as Echo).authorization, 'Bearer one');
    clock.advance(61_000);
    assert.equal(((await client.delete(CONFIG_MAPS, target)) as unknown as Echo).authorization, 'Bearer two');
    writeFileSync(path, 'three\n');
    server.failNext(401, 'Unauthorized');
    assert.equal(((await client.delete(CONFIG_MAPS, target)) as unknown as Echo).authorization, 'Bearer three');
  });

  test('asks an exec plugin for its token and names its complaint', async () => {
    const script =
      'const i = JSON.parse(process.env.KUBERNETES_EXEC_INFO); console.log(JSON.stringify({apiVersion: i.apiVersion, kind: i.kind, status: {token: process.env.WHO}}))';
    const plugin = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: process.execPath,
      args: ['-e', script],
      env: { WHO: 'me' },
      installHint: 'install it',
      provideClusterInfo: true,
    };
    connectAs({ kind: 'exec', plugin });
    assert.equal(((await client.delete(CONFIG_MAPS, target)) as unknown as Echo).authorization, 'Bearer me');
    await client.close();
    connectAs({ kind: 'exec', plugin: { ...plugin, args: ['-e', 'console.error("please log in"); process.exit(3)'] } });
    await assert.rejects(client.get(CONFIG_MAPS, target), { code: 'LAT2105', why: 'please log in', fix: 'install it' });
  });

  test('uses the dialer it was given', async () => {
    const dialled: unknown[] = [];
    const url = new URL(server.url);
    connectAs(
      { kind: 'none' },
      {
        dial: (address) => {
          dialled.push(address);
          return new Promise((resolve, reject) => {
            const socket = connect(address.port, address.host, () => resolve(socket)).on('error', reject);
          });
        },
      },
    );
    await client.create(CONFIG_MAPS, CONFIG_MAP);
    assert.deepEqual(dialled, [{ host: '127.0.0.1', port: Number(url.port) }]);
  });

  test('says so when nobody answers', async () => {
    await server.close();
    await assert.rejects(client.get(CONFIG_MAPS, target), {
      code: 'LAT2103',
      message: /cannot reach the Kubernetes API server at 127\.0\.0\.1/,
    });
  });

  test('an aborted request ends', async () => {
    const abort = new AbortController();
    const events = client.watch(CONFIG_MAPS, { signal: abort.signal });
    const first = events.next();
    const refused = assert.rejects(first, { name: 'AbortError' });
    await eventually(() => server.watchers === 1);
    abort.abort();
    await refused;
  });
});
