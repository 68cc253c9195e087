import assert from 'node:assert/strict';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { silentLogger } from '@lateen/base';
import type { AdmissionResponse, KubeObject, Namespace } from '@lateen/kube/types';
import { ingestAll } from '@lateen/mesh';
import { createInjectConfig } from '@lateen/mesh/inject';
import { createCertificateAuthority } from '@lateen/pki';
import { createControlMetrics } from '../metrics.ts';
import { createAdmissionServer } from './admission.ts';
import { createInjectHandler } from './inject.ts';
import { createValidateHandler } from './validate.ts';

async function start(t: TestContext, namespace: Namespace, objects: KubeObject[] = []) {
  const authority = createCertificateAuthority();
  const { keyPem, chainPem } = authority.issueServer(['localhost']);
  const metrics = createControlMetrics('test');
  // The view is older than the label: it has no namespaces.
  const snapshot = ingestAll(objects);
  const validate = createValidateHandler({ snapshot: () => snapshot, metrics });
  const inject = createInjectHandler({
    config: () => createInjectConfig(),
    snapshot: () => snapshot,
    readNamespace: async () => namespace,
    metrics,
    logger: silentLogger,
  });
  const server = createAdmissionServer({
    keyPem,
    certPem: chainPem,
    logger: silentLogger,
    handlerOf: (path) => (path === '/validate' ? validate : path.startsWith('/inject') ? inject : undefined),
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  const post = (path: string, body: string) =>
    new Promise<{ status: number; body: string }>((resolve, reject) => {
      const { port } = server.address() as AddressInfo;
      const call = request(
        { host: '127.0.0.1', servername: 'localhost', port, path, method: 'POST', ca: authority.rootPem, agent: false },
        (response) => {
          let text = '';
          response.on('data', (chunk) => (text += chunk));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
        },
      );
      call.on('error', reject);
      call.end(body);
    });
  const review = async (path: string, object: KubeObject): Promise<AdmissionResponse> => {
    const [group = '', version = ''] = object.apiVersion.includes('/') ? object.apiVersion.split('/') : ['', object.apiVersion];
    const { body } = await post(
      path,
      JSON.stringify({
        request: {
          uid: 'u1',
          kind: { group, version, kind: object.kind },
          resource: { group, version, resource: 'x' },
          namespace: 'default',
          operation: 'CREATE',
          object,
        },
      }),
    );
    return (JSON.parse(body) as { response: AdmissionResponse }).response;
  };
  return { post, review, metrics };
}

const enabled: Namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default', labels: { 'istio-injection': 'enabled' } } };
const plain: Namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } };
const pod: KubeObject = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'a', labels: { app: 'a' } },
  spec: { containers: [{ name: 'a', image: 'a' }] },
};
const rule = (spec: unknown): KubeObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'r' },
  spec,
});

test('a pod of a labelled namespace gets a patch that adds the sidecar', async (t) => {
  const { review } = await start(t, enabled);
  const response = await review('/inject', pod);
  assert.equal(response.uid, 'u1');
  assert.equal(response.allowed, true);
  assert.match(Buffer.from(response.patch ?? '', 'base64').toString(), /istio-proxy/);
});

test('ProxyConfig objects and the path of the webhook reach the pod', async (t) => {
  const proxyConfig: KubeObject = {
    apiVersion: 'networking.istio.io/v1beta1',
    kind: 'ProxyConfig',
    metadata: { name: 'p', namespace: 'default' },
    spec: { selector: { matchLabels: { app: 'a' } }, concurrency: 7, environmentVariables: { FROM_OBJECT: 'yes' } },
  };
  const { review } = await start(t, enabled, [proxyConfig]);
  const patch = Buffer.from((await review('/inject/cluster/c2/net/n2', pod)).patch ?? '', 'base64').toString();
  assert.match(patch, /\\"concurrency\\":7/);
  assert.match(patch, /"name":"FROM_OBJECT","value":"yes"/);
  assert.match(patch, /"name":"ISTIO_META_CLUSTER_ID","value":"c2"/);
  assert.match(patch, /"name":"ISTIO_META_NETWORK","value":"n2"/);
});

test('a pod of another namespace is left alone', async (t) => {
  const { review, metrics } = await start(t, plain);
  const response = await review('/inject', pod);
  assert.equal(response.allowed, true);
  assert.equal(response.patch, undefined);
  assert.equal(metrics.injectionSkips.labels().value, 1);
});

test('a wrong annotation refuses the pod with the reason', async (t) => {
  const { review } = await start(t, enabled);
  const wrong = { ...pod, metadata: { ...pod.metadata, annotations: { 'traffic.sidecar.istio.io/includeInboundPorts': 'eighty' } } };
  const response = await review('/inject', wrong);
  assert.equal(response.allowed, false);
  assert.match(response.status?.message ?? '', /eighty/);
});

test('a wrong object is refused, a questionable one accepted with a warning', async (t) => {
  const { review } = await start(t, plain);
  const refused = await review('/validate', rule({ hosts: ['a'], http: [{ route: [{ destination: { host: 'a' }, weight: -1 }] }] }));
  assert.equal(refused.allowed, false);
  assert.match(refused.status?.message ?? '', /IST0106.*weight/);
  const warned = await review('/validate', rule({ hosts: ['a'], http: [{ route: [{ destination: { host: 'a' } }] }] }));
  assert.equal(warned.allowed, true);
  assert.match(warned.warnings?.[0] ?? '', /IST0101.*not found: "a"/);
});

test('what another API offers and this mesh does not read is accepted with a warning', async (t) => {
  const { review } = await start(t, plain);
  const ingress = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name: 'i' }, spec: { ingressClassName: 'istio' } };
  const { allowed, warnings } = await review('/validate', ingress);
  assert.deepEqual([allowed, warnings?.length], [true, 1]);
  assert.match(warnings?.[0] ?? '', /LAT0210.*Ingress is not supported yet/);
});

test('what is no review gets an HTTP error, and the server goes on', async (t) => {
  const { post, review } = await start(t, plain);
  for (const body of ['', '{', '[]', '{"request":{}}', `${'['.repeat(5_000)}`])
    assert.equal((await post('/validate', body)).status, 400, body.slice(0, 20));
  assert.equal((await post('/elsewhere', '{}')).status, 404);
  assert.equal((await review('/validate', pod)).allowed, true);
});
