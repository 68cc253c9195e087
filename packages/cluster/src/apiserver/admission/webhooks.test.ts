// Webhooks over real HTTPS: a small server stands behind a Service.

import assert from 'node:assert/strict';
import https from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { createKubeClient, isNotFound, KubeError } from '@lateen/kube';
import type { AdmissionRequest, AdmissionResponse, KubeObject, ResourceRef } from '@lateen/kube/types';
import { startTestServer, type TestServer } from '../testing/test-server.ts';

const CONFIG_MAPS: ResourceRef = { group: '', version: 'v1', resource: 'configmaps', namespaced: true };
const configurations = (kind: 'mutating' | 'validating'): ResourceRef => ({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  resource: `${kind}webhookconfigurations`,
  namespaced: false,
});

type Decide = (request: AdmissionRequest) => Partial<AdmissionResponse> | 'hang' | 'garbage';
type Setup = TestServer & { requests: AdmissionRequest[]; caBundle: string };

async function startWithWebhook(t: TestContext, decide: Decide): Promise<Setup> {
  const requests: AdmissionRequest[] = [];
  let port = 0;
  const test = await startTestServer(t, {
    dialService: (namespace, name, servicePort) => {
      if (`${namespace}/${name}:${servicePort}` !== 'system/hook:443') return Promise.reject(new Error('no such service'));
      return Promise.resolve(connect(port, '127.0.0.1'));
    },
  });
  const serving = test.ca.issueServer(['hook.system.svc']);
  const server = https.createServer({ cert: serving.certPem, key: serving.keyPem }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const review = JSON.parse(Buffer.concat(chunks).toString()) as { request: AdmissionRequest };
      requests.push(review.request);
      const decision = decide(review.request);
      if (decision === 'hang') return;
      if (decision === 'garbage') return void response.end('not json');
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({
          apiVersion: 'admission.k8s.io/v1',
          kind: 'AdmissionReview',
          response: { uid: review.request.uid, allowed: true, ...decision },
        }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { ...test, requests, caBundle: Buffer.from(test.ca.rootPem).toString('base64') };
}

const webhook = (setup: Setup, extra: object = {}): object => ({
  name: 'hook.example.com',
  clientConfig: { service: { namespace: 'system', name: 'hook', path: '/inject' }, caBundle: setup.caBundle },
  rules: [{ operations: ['CREATE', 'UPDATE', 'DELETE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
  timeoutSeconds: 1,
  ...extra,
});

const register = (setup: Setup, kind: 'mutating' | 'validating', extra: object = {}): Promise<KubeObject> =>
  setup.client.create(configurations(kind), {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: kind === 'mutating' ? 'MutatingWebhookConfiguration' : 'ValidatingWebhookConfiguration',
    metadata: { name: `hook-${kind}` },
    webhooks: [webhook(setup, extra)],
  });

const map = (name: string, data: Record<string, string> = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default' },
  data,
});
const messageFrom = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => assert.fail('it was allowed'),
    (error: KubeError) => error.message,
  );
const patchOf = (operations: object[]): Partial<AdmissionResponse> => ({
  patchType: 'JSONPatch',
  patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
});

describe('admission webhooks', { timeout: 30_000 }, () => {
  it('change an object by their patch, and their warnings reach the client', async (t) => {
    const setup = await startWithWebhook(t, () => ({
      ...patchOf([{ op: 'add', path: '/metadata/labels', value: { injected: 'yes' } }]),
      warnings: ['mind the gap'],
    }));
    await register(setup, 'mutating');
    const response = await setup.server.transport.request({
      method: 'POST',
      path: '/api/v1/namespaces/default/configmaps',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(map('a')),
    });
    assert.equal(response.status, 201);
    assert.match(response.headers['warning'] ?? '', /299 - "mind the gap"/);
    assert.deepEqual((await setup.client.get(CONFIG_MAPS, { namespace: 'default', name: 'a' })).metadata.labels, { injected: 'yes' });
    const [request] = setup.requests;
    assert.deepEqual(
      [request?.operation, request?.name, request?.namespace, request?.kind, request?.userInfo.username],
      ['CREATE', 'a', 'default', { group: '', version: 'v1', kind: 'ConfigMap' }, 'system:lateen'],
    );
  });

  it('deny in the words of Kubernetes', async (t) => {
    const setup = await startWithWebhook(t, () => ({ allowed: false, status: { message: 'hosts must not be empty', code: 400 } }));
    await register(setup, 'validating');
    assert.match(
      await messageFrom(setup.client.create(CONFIG_MAPS, map('a'))),
      /admission webhook "hook\.example\.com" denied the request: hosts must not be empty/,
    );
    await assert.rejects(setup.client.get(CONFIG_MAPS, { namespace: 'default', name: 'a' }), isNotFound);
  });

  it('see updates and deletions with the old object', async (t) => {
    const setup = await startWithWebhook(t, (request) => ({ allowed: request.operation !== 'DELETE' }));
    await setup.client.create(CONFIG_MAPS, map('a', { x: '1' }));
    await register(setup, 'validating');
    await setup.client.patch(CONFIG_MAPS, { namespace: 'default', name: 'a' }, { type: 'merge', body: { data: { x: '2' } } });
    assert.match(
      await messageFrom(setup.client.delete(CONFIG_MAPS, { namespace: 'default', name: 'a' })),
      /denied the request without explanation/,
    );
    const seen = setup.requests.map((one) => [
      one.operation,
      (one.object as { data?: unknown } | null)?.data,
      (one.oldObject as { data?: unknown } | null)?.data,
    ]);
    assert.deepEqual(seen, [
      ['UPDATE', { x: '2' }, { x: '1' }],
      ['DELETE', undefined, { x: '2' }],
    ]);
  });

  const failures: { name: string; answer: 'hang' | 'garbage'; expected: RegExp }[] = [
    {
      name: 'late',
      answer: 'hang',
      expected:
        /failed calling webhook "hook\.example\.com": failed to call webhook: Post "https:\/\/hook\.system\.svc:443\/inject\?timeout=1s": context deadline exceeded/,
    },
    {
      name: 'talking nonsense',
      answer: 'garbage',
      expected: /failed calling webhook "hook\.example\.com": failed to call webhook: the webhook answered something that is not JSON/,
    },
  ];
  for (const { name, answer, expected } of failures) {
    it(`that are ${name} fail the request, or are passed over with failurePolicy Ignore`, async (t) => {
      const setup = await startWithWebhook(t, () => answer);
      await register(setup, 'validating');
      assert.match(await messageFrom(setup.client.create(CONFIG_MAPS, map('a'))), expected);
      await setup.client.patch(
        configurations('validating'),
        { name: 'hook-validating' },
        { type: 'strategic', body: { webhooks: [{ name: 'hook.example.com', failurePolicy: 'Ignore' }] } },
      );
      await setup.client.create(CONFIG_MAPS, map('a'));
    });
  }

  it('with a certificate of another authority are not trusted', async (t) => {
    const setup = await startWithWebhook(t, () => ({}));
    const stranger = Buffer.from((await startTestServer(t)).ca.rootPem).toString('base64');
    await register(setup, 'validating', { clientConfig: { service: { namespace: 'system', name: 'hook' }, caBundle: stranger } });
    assert.match(await messageFrom(setup.client.create(CONFIG_MAPS, map('a'))), /certificate/);
    assert.equal(setup.requests.length, 0);
  });

  const selections: { name: string; extra: object; called: boolean }[] = [
    {
      name: 'a namespace selector that matches',
      extra: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'default' } } },
      called: true,
    },
    {
      name: 'a namespace selector that does not match',
      extra: { namespaceSelector: { matchLabels: { 'istio-injection': 'enabled' } } },
      called: false,
    },
    {
      name: 'an object selector that does not match',
      extra: { objectSelector: { matchExpressions: [{ key: 'a', operator: 'Exists' }] } },
      called: false,
    },
    {
      name: 'a rule for another resource',
      extra: { rules: [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['secrets'] }] },
      called: false,
    },
    {
      name: 'a rule for everything',
      extra: { rules: [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] }] },
      called: true,
    },
    {
      name: 'a rule for subresources only',
      extra: { rules: [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/status'] }] },
      called: false,
    },
    {
      name: 'a rule for cluster scope',
      extra: { rules: [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'], scope: 'Cluster' }] },
      called: false,
    },
  ];
  for (const { name, extra, called } of selections) {
    it(`are ${called ? '' : 'not '}called by ${name}`, async (t) => {
      const setup = await startWithWebhook(t, () => ({}));
      await register(setup, 'validating', extra);
      await setup.client.create(CONFIG_MAPS, map('a'));
      assert.equal(setup.requests.length > 0, called);
    });
  }

  it('run on dry runs, which store nothing', async (t) => {
    const setup = await startWithWebhook(t, () => ({}));
    await register(setup, 'mutating');
    await setup.client.create(CONFIG_MAPS, map('a'), { dryRun: true });
    assert.equal(setup.requests[0]?.dryRun, true);
    await assert.rejects(createKubeClient(setup.server.transport).get(CONFIG_MAPS, { namespace: 'default', name: 'a' }), isNotFound);
    assert.ok(KubeError);
  });
});
