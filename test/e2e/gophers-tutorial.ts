// The gophers tutorial: a dark launch by mirroring, a 50/50 split, the cutover.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { httpRequest, startLoad } from '../support/http.ts';
import { type Mesh, samples } from '../support/mesh.ts';
import { waitForPods } from './bookinfo-tutorial.ts';

const gophers = (path: string) => join(samples, 'gophers', path);
const LINE = /^Request >> Gopher Version ([12]) from pod (gopher-distributor\S*)( \([0-9a-f]{16}\))?\n$/;

type Answers = { versions: Map<string, number>; pods: Set<string> };

async function ask(url: string, count: number): Promise<Answers> {
  const answers: Answers = { versions: new Map(), pods: new Set() };
  for (let i = 0; i < count; i++) {
    const { status, body } = await httpRequest(url);
    assert.equal(status, 200, body);
    const match = LINE.exec(body);
    assert.ok(match, `unexpected answer ${JSON.stringify(body)}`);
    answers.versions.set(match[1] as string, (answers.versions.get(match[1] as string) ?? 0) + 1);
    answers.pods.add(match[2] as string);
  }
  return answers;
}

/** Requests that a version of the distributor has answered, by its own sidecars' count. */
async function answeredBy(mesh: Mesh, version: 'v1' | 'v2'): Promise<number> {
  const selector = `app=gopher-distributor,version=${version}`;
  const pods = (await mesh.kubectl(['get', 'pods', '-l', selector, '-o', 'jsonpath={.items[*].metadata.name}'])).split(' ');
  let total = 0;
  for (const pod of pods) {
    const metrics = await mesh.lateen(['proxy-config', 'stats', pod]);
    for (const line of metrics.split('\n')) {
      if (line.startsWith('istio_requests_total{') && line.includes('reporter="destination"')) total += Number(line.split(' ').at(-1));
    }
  }
  return total;
}

export async function gophersTutorial(t: TestContext, mesh: Mesh): Promise<void> {
  await t.test('requester and distributor come up, three pods each, READY 2/2', async () => {
    await mesh.kubectl(['delete', 'gateway', 'bookinfo-gateway', '--ignore-not-found']);
    await mesh.kubectl(['delete', 'virtualservice', '--all']);
    await mesh.kubectl(['delete', 'destinationrule', '--all']);
    await mesh.kubectl(['delete', '-f', join(samples, 'bookinfo/platform/kube/bookinfo.yaml'), '--ignore-not-found']);
    await mesh.kubectl(['label', 'namespace', 'default', 'istio-injection=enabled', '--overwrite']);
    await mesh.kubectl(['apply', '-f', gophers('gopher-requester/deployment.yaml')]);
    await mesh.kubectl(['apply', '-f', gophers('gopher-distributor/deployment.yaml')]);
    await mesh.kubectl(['rollout', 'status', 'deployment/gopher-distributor', '--timeout=60s']);
    await waitForPods(mesh, 'default', 6);
  });

  let url = '';
  await t.test('through the gateway the answers spread over the three pods', async () => {
    await mesh.kubectl(['apply', '-f', gophers('networking/gateway-and-rules.yaml')]);
    url = await mesh.gatewayUrl();
    await eventually(async () => assert.equal((await httpRequest(url)).status, 200));
    const { versions, pods } = await ask(url, 60);
    assert.deepEqual([...versions.keys()], ['1']);
    assert.equal(pods.size, 3, [...pods].join());
  });

  await t.test('the requester answers at its own load balancer as well', async () => {
    const host = await mesh.kubectl(['get', 'svc', 'gopher-requester', '-o', 'jsonpath={.status.loadBalancer.ingress[0].hostname}']);
    if (mesh.rung !== 'root') return assert.ok(host === '' || /^[\w.-]+$/.test(host));
    assert.equal((await ask(`http://${host}`, 3)).versions.get('1'), 3);
  });

  await t.test('mirroring: callers see only v1, v2 gets exactly as many requests, and none fails', async () => {
    const mirrorLoad = startLoad(url, { perSecond: 50 });
    await mesh.kubectl(['apply', '-f', gophers('gopher-distributor-v2/deployment.yaml')]);
    await mesh.kubectl(['rollout', 'status', 'deployment/gopher-distributor-v2', '--timeout=60s']);
    await mesh.kubectl(['apply', '-f', gophers('networking/mirror.yaml')]);
    await eventually(async () => assert.ok((await answeredBy(mesh, 'v2')) > 0));
    assert.deepEqual((await mirrorLoad.stop()).failures, []);
    const settled = await eventually(async () => {
      const counts = { v1: await answeredBy(mesh, 'v1'), v2: await answeredBy(mesh, 'v2') };
      assert.deepEqual({ v1: await answeredBy(mesh, 'v1'), v2: await answeredBy(mesh, 'v2') }, counts);
      return counts;
    });
    assert.deepEqual([...(await ask(url, 100)).versions.keys()], ['1']);
    await eventually(async () => assert.equal((await answeredBy(mesh, 'v2')) - settled.v2, 100));
    assert.equal((await answeredBy(mesh, 'v1')) - settled.v1, 100);
  });

  const load = startLoad(url, { perSecond: 50 });
  try {
    await t.test('50/50: within three sigma over 1,000 requests', async () => {
      await mesh.kubectl(['apply', '-f', gophers('networking/split-50-50.yaml')]);
      await eventually(async () => assert.equal((await ask(url, 10)).versions.size, 2));
      const { versions } = await ask(url, 1000);
      const sigma = Math.sqrt(1000 * 0.5 * 0.5);
      assert.ok(Math.abs((versions.get('2') ?? 0) - 500) <= 3 * sigma, JSON.stringify([...versions]));
    });

    await t.test('cutover: everything to v2', async () => {
      await mesh.kubectl(['apply', '-f', gophers('networking/cutover.yaml')]);
      await eventually(async () => assert.deepEqual([...(await ask(url, 20)).versions.keys()], ['2']));
      assert.deepEqual([...(await ask(url, 100)).versions.keys()], ['2']);
    });
  } finally {
    const { sent, failures } = await load.stop();
    await t.test('no request failed meanwhile', () => {
      assert.ok(sent > 100, `only ${sent} requests were sent`);
      assert.deepEqual(failures, []);
    });
  }

  await t.test('rollout restart is hitless and keeps three ready pods', async () => {
    const restartLoad = startLoad(url, { perSecond: 50 });
    await mesh.kubectl(['rollout', 'restart', 'deployment/gopher-distributor-v2']);
    await mesh.kubectl(['rollout', 'status', 'deployment/gopher-distributor-v2', '--timeout=120s'], { timeoutMs: 130_000 });
    const { failures } = await restartLoad.stop();
    assert.deepEqual(failures, []);
  });
}
