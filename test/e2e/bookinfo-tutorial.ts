// The Bookinfo tutorials, step by step with the commands that they print.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { type HttpOptions, httpRequest, startLoad } from '../support/http.ts';
import { checkout, type Mesh, samples } from '../support/mesh.ts';
import { hasProgram, runOk } from '../support/run.ts';

export type Stars = 'none' | 'black' | 'red';

/** Which version of reviews made this page. */
export function starsOf(page: string): Stars {
  if (!page.includes('Book Reviews')) throw new Error(`this is not the product page: ${page.slice(0, 300)}`);
  if (!page.includes('Reviewer1')) throw new Error('the page has no reviews');
  if (page.includes('Ratings service is currently unavailable')) throw new Error('the ratings could not be fetched');
  return page.includes('black stars') ? 'black' : page.includes('red stars') ? 'red' : 'none';
}

/** The variants seen over `count` requests. */
export async function variants(url: string, count: number, options: HttpOptions = {}): Promise<Map<Stars, number>> {
  const seen = new Map<Stars, number>();
  for (let i = 0; i < count; i++) {
    const { status, body } = await httpRequest(`${url}/productpage`, options);
    assert.equal(status, 200, body.slice(0, 300));
    const stars = starsOf(body);
    seen.set(stars, (seen.get(stars) ?? 0) + 1);
  }
  return seen;
}

const bookinfo = (path: string) => join(samples, 'bookinfo', path);

/** Applies Bookinfo to the labelled default namespace and waits until every pod is READY 2/2. */
export async function installBookinfo(mesh: Mesh): Promise<void> {
  await mesh.kubectl(['label', 'namespace', 'default', 'istio-injection=enabled', '--overwrite']);
  await mesh.kubectl(['apply', '-f', bookinfo('platform/kube/bookinfo.yaml')]);
  await waitForPods(mesh, 'default', 6);
}

export async function waitForPods(mesh: Mesh, namespace: string, count: number): Promise<void> {
  await eventually(
    async () => {
      const pods = await mesh.kubectl(['-n', namespace, 'get', 'pods', '--no-headers']);
      const ready = pods.split('\n').filter((line) => / 2\/2 +Running /.test(line)).length;
      assert.equal(ready, count, pods);
    },
    { timeoutMs: 60_000, intervalMs: 250 },
  );
}

export async function bookinfoTutorial(t: TestContext, mesh: Mesh): Promise<void> {
  await t.test('label the namespace, apply Bookinfo: every pod is READY 2/2', () => installBookinfo(mesh));

  const noJq = (await hasProgram('jq')) ? false : 'jq is not installed';
  await t.test('a pod shows its app and istio-proxy', { skip: noJq }, async () => {
    const json = await mesh.kubectl(['get', 'po', '-l', 'app=details', '-o', 'json']);
    const names = await runOk('jq', ['-r', '.items[].spec.containers[].name'], { input: json });
    assert.deepEqual(names.trim().split('\n').sort(), ['details', 'istio-proxy']);
  });

  await t.test('the gateway opens Bookinfo to the host, and all three variants come up', async () => {
    const applied = await mesh.kubectl(['apply', '-f', bookinfo('networking/bookinfo-gateway.yaml')]);
    assert.match(applied, /gateway\.networking\.istio\.io\/bookinfo-gateway created/);
    assert.match(applied, /virtualservice\.networking\.istio\.io\/bookinfo created/);
    const url = await mesh.gatewayUrl();
    await eventually(async () => assert.equal((await httpRequest(`${url}/productpage`)).status, 200));
    const seen = await variants(url, 30);
    assert.deepEqual([...seen.keys()].sort(), ['black', 'none', 'red'], JSON.stringify([...seen]));
    assert.equal((await httpRequest(`${url}/nothing-here`)).status, 404);
  });

  const url = await mesh.gatewayUrl();
  const load = startLoad(`${url}/productpage`, { perSecond: 50 });
  try {
    await t.test('everything to v1: no stars', async () => {
      await mesh.kubectl(['apply', '-f', bookinfo('networking/destination-rule-all.yaml')]);
      await mesh.kubectl(['apply', '-f', bookinfo('networking/virtual-service-all-v1.yaml')]);
      await eventually(async () => assert.deepEqual([...(await variants(url, 6)).keys()], ['none']));
      assert.deepEqual([...(await variants(url, 20)).keys()], ['none']);
    });

    await t.test('jason, signed in, sees black stars; others none', async () => {
      await mesh.kubectl(['apply', '-f', bookinfo('networking/virtual-service-reviews-test-v2.yaml')]);
      const cookie = await signIn(url, 'jason');
      await eventually(async () => assert.deepEqual([...(await variants(url, 5, { headers: { cookie } })).keys()], ['black']));
      assert.deepEqual([...(await variants(url, 10, { headers: { cookie } })).keys()], ['black']);
      assert.deepEqual([...(await variants(url, 10)).keys()], ['none']);
    });

    await t.test('without the rule the spread is even again', async () => {
      await mesh.kubectl(['delete', 'virtualservice', 'reviews']);
      await eventually(async () => assert.equal((await variants(url, 20)).size, 3));
    });
  } finally {
    const { sent, failures } = await load.stop();
    await t.test('no request failed while rules changed', () => {
      assert.ok(sent > 20, `only ${sent} requests were sent`);
      assert.deepEqual(failures, []);
    });
  }

  await t.test('kube-inject gives the same in an unlabelled namespace, and never a second sidecar', async () => {
    await mesh.kubectl(['create', 'namespace', 'manual']);
    const injected = await mesh.lateen(['kube-inject', '-f', join(samples, 'helloworld/helloworld.yaml')]);
    await mesh.kubectl(['-n', 'manual', 'apply', '-f', '-'], { input: injected });
    await waitForPods(mesh, 'manual', 2);
    // The first tutorial injects by hand into a namespace that is labelled as well.
    await mesh.kubectl(['apply', '-f', '-'], { input: injected });
    await eventually(async () => {
      const names = await mesh.kubectl([
        'get',
        'po',
        '-l',
        'app=helloworld',
        '-o',
        'jsonpath={range .items[*]}{.spec.containers[*].name}{"\\n"}{end}',
      ]);
      assert.deepEqual(names.trim().split('\n'), ['helloworld istio-proxy', 'helloworld istio-proxy']);
    });
    await mesh.kubectl(['delete', '-f', join(samples, 'helloworld/helloworld.yaml')]);
    await mesh.kubectl(['delete', 'namespace', 'manual']);
  });

  await t.test("istioctl's words work from bin/, as the tutorials put it on the PATH", async () => {
    const istioctl = join(checkout, 'bin/istioctl');
    const env = { KUBECONFIG: (await mesh.lateen(['kubeconfig'])).trim() };
    const status = await runOk(istioctl, ['proxy-status'], { env });
    assert.match(status, /^NAME .*ISTIOD/m);
    assert.match(status, /productpage-v1-\S+\.default/);
    const routes = await runOk(istioctl, ['proxy-config', 'route', 'deploy/productpage-v1', '--name', '9080'], { env });
    assert.match(routes, /reviews\.default\.svc\.cluster\.local/);
  });
}

/** Posts the sign-in form; gives the session cookie. */
export async function signIn(url: string, username: string): Promise<string> {
  const answer = await httpRequest(`${url}/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `username=${username}&passwd=any`,
  });
  assert.equal(answer.status, 302, answer.body);
  const cookie = answer.headers['set-cookie']?.[0]?.split(';')[0];
  assert.ok(cookie, 'signing in set no cookie');
  return cookie;
}
