// Bad input is answered with its cause, and breaks nothing: after every mistake the mesh is up, in sync, and serves all other
// traffic without a failure.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { httpRequest, startLoad } from '../support/http.ts';
import { cannotRun, checkout, type Mesh, samples, startMesh } from '../support/mesh.ts';
import { type RunResult, run } from '../support/run.ts';
import { waitForPods } from './bookinfo-tutorial.ts';

const ISTIO = 'networking.istio.io/v1';
const TO_HTTPBIN = [{ destination: { host: 'httpbin' } }];

test('bad input on the root rung', { skip: (await cannotRun('root')) ?? false }, async (t) => {
  const mesh = await startMesh(t, { rung: 'root' });
  await mesh.kubectl(['label', 'namespace', 'default', 'istio-injection=enabled']);
  for (const file of ['curl/curl.yaml', 'httpbin/httpbin.yaml', 'helloworld/helloworld.yaml', 'helloworld/helloworld-gateway.yaml']) {
    await mesh.kubectl(['apply', '-f', join(samples, file)]);
  }
  await waitForPods(mesh, 'default', 4);
  const gateway = await mesh.gatewayUrl();
  await eventually(async () => assert.equal((await httpRequest(`${gateway}/hello`)).status, 200));
  await eventually(async () => assert.equal(await statusInMesh(mesh, '/status/200'), '200'));

  const load = startLoad(`${gateway}/hello`, { perSecond: 20 });
  const inside = startLoadInMesh(mesh);
  try {
    for (const [name, check] of Object.entries(mistakes)) {
      await t.test(name, async (context) => {
        await check(mesh, context);
        await assertUnharmed(mesh);
      });
    }
  } finally {
    const { sent, failures } = await load.stop();
    const statuses = await inside.stop();
    await t.test('no request elsewhere failed through all of it', () => {
      assert.ok(sent > 100, `only ${sent} requests were sent`);
      assert.deepEqual(failures, []);
      assert.ok(statuses.length > 50, `only ${statuses.length} requests were sent in the mesh`);
      assert.deepEqual([...new Set(statuses)], ['200']);
    });
  }
});

const mistakes: Record<string, (mesh: Mesh, t: TestContext) => Promise<void>> = {
  async 'malformed YAML: the line'(mesh) {
    const { stderr } = await refused(mesh, `apiVersion: ${ISTIO}\nkind: VirtualService\nmetadata: {name: bad\nspec: [\n`);
    assert.match(stderr, /error parsing .*yaml: line 3/);
  },

  async 'an unknown field: its path, and what was meant'(mesh) {
    const text = virtualService('unknown-field', { hosts: ['httpbin'], http: [{ retires: { attempts: 3 }, route: TO_HTTPBIN }] });
    const { stderr } = await refused(mesh, text);
    assert.match(stderr, /strict decoding error: unknown field "spec\.http\[0\]\.retires"/);
    assert.match((await istioctl(mesh, ['validate', '-f', '-'], text)).stderr, /unknown field "retires"\s+Did you mean retries\?/);
    await absent(mesh, 'virtualservice', 'unknown-field');
  },

  async 'wrong types: each field, and the type it needs'(mesh) {
    const route = [{ destination: { host: 'httpbin' }, weight: '80' }];
    const { stderr } = await refused(mesh, virtualService('wrong-types', { hosts: 'httpbin', http: [{ timeout: 5, route }] }));
    assert.match(stderr, /spec\.hosts: Invalid value: "string": spec\.hosts in body must be of type array/);
    assert.match(stderr, /spec\.http\[0\]\.route\[0\]\.weight: Invalid value: "string": .* must be of type integer/);
    assert.match(stderr, /spec\.http\[0\]\.timeout: Invalid value: "integer": .* must be of type string/);
  },

  async 'an invalid regular expression: where, and the syntax'(mesh) {
    const match = [{ uri: { regex: 'a(b' } }, { headers: { cookie: { regex: '(?=user)' } } }];
    const { stderr } = await refused(mesh, virtualService('bad-regex', { hosts: ['httpbin'], http: [{ match, route: TO_HTTPBIN }] }));
    assert.match(stderr, /spec\.http\[0\]\.match\[0\]\.uri\b.*missing closing \)/);
    assert.match(stderr, /spec\.http\[0\]\.match\[1\]\.headers\[cookie\].*RE2/);
  },

  async 'weights that cannot be'(mesh) {
    const weighted = (...weights: number[]) => ({
      hosts: ['httpbin'],
      http: [{ route: weights.map((weight) => ({ destination: { host: 'httpbin' }, weight })) }],
    });
    assert.match((await refused(mesh, virtualService('weights', weighted(-5, 105)))).stderr, /route\[0\]\.weight.*-5/);
    assert.match((await refused(mesh, virtualService('weights', weighted(0, 0)))).stderr, /total destination weight = 0/);
  },

  async 'duplicate names: of an object, of a subset'(mesh) {
    const rule = (subsets: object[]) =>
      JSON.stringify({ apiVersion: ISTIO, kind: 'DestinationRule', metadata: { name: 'twice' }, spec: { host: 'httpbin', subsets } });
    const v1 = { name: 'v1', labels: { version: 'v1' } };
    assert.match((await refused(mesh, rule([v1, v1]))).stderr, /spec\.subsets\[1\]\.name: duplicate subset names: v1/);
    await mesh.kubectl(['create', '-f', '-'], { input: rule([v1]) });
    assert.match(
      (await refused(mesh, rule([]), 'create')).stderr,
      /AlreadyExists.*destinationrules\.networking\.istio\.io "twice" already exists/,
    );
    assert.equal(await mesh.kubectl(['get', 'destinationrule', 'twice', '-o', 'jsonpath={.spec.subsets[*].name}']), 'v1');
    await mesh.kubectl(['delete', 'destinationrule', 'twice']);
  },

  async 'an object of 4 MB: the limit'(mesh) {
    const file = join(mesh.stateDir, 'big.json');
    const http = [
      { match: Array.from({ length: 100_000 }, (_, index) => ({ uri: { exact: `/${index}-${'x'.repeat(24)}` } })), route: TO_HTTPBIN },
    ];
    writeFileSync(file, virtualService('big', { hosts: ['httpbin'], http }));
    for (const command of [['create'], ['apply'], ['apply', '--server-side']]) {
      const { code, stderr } = await mesh.tryKubectl([...command, '-f', file]);
      assert.equal(code, 1);
      assert.match(stderr, /Request entity too large: limit is 3145728/);
    }
    await absent(mesh, 'virtualservice', 'big');
  },

  async 'flattened YAML: that the indentation was lost'(mesh) {
    const flat = `apiVersion: ${ISTIO}\nkind: VirtualService\nmetadata:\nname: flat\nspec:\nhosts:\n- httpbin\nhttp:\n- route:\n- destination:\nhost: httpbin\n`;
    // kubectl itself stops here, before it asks anybody.
    assert.match((await refused(mesh, flat)).stderr, /resource name may not be empty/);
    const created = await refused(mesh, flat, 'create');
    for (const field of ['name', 'hosts', 'http', 'host']) assert.match(created.stderr, new RegExp(`unknown field "${field}"`));
    const lost = /lost its indentation: "name" should be indented below "metadata"/;
    assert.match((await lateen(mesh, ['apply', '-f', '-'], flat)).stderr, lost);
    const { stdout, stderr } = await istioctl(mesh, ['validate', '-f', '-'], flat);
    assert.match(stderr, lost);
    assert.match(stdout + stderr, /metadata:\n +name: flat\n +spec:\n +hosts:\n +- httpbin/);
  },

  async 'a route to an unknown subset: its name, and 503 on that route alone'(mesh) {
    const http = [
      { match: [{ uri: { prefix: '/status/201' } }], route: [{ destination: { host: 'httpbin', subset: 'v9' } }] },
      { route: TO_HTTPBIN },
    ];
    const { stderr } = await accepted(mesh, virtualService('httpbin', { hosts: ['httpbin'], http }));
    assert.match(stderr, /Warning: \[IST0101\] spec\.http\[0\]\.route\[0\]\.destination\.subset: .*"httpbin\+v9" .*DestinationRule.*503/);
    await eventually(async () => assert.equal(await statusInMesh(mesh, '/status/201'), '503'));
    assert.equal(await statusInMesh(mesh, '/status/200'), '200');
    // Adding the subset mends it.
    await accepted(mesh, destinationRule('httpbin', 'v9'));
    await eventually(async () => assert.equal(await statusInMesh(mesh, '/status/201'), '201'));
    await mesh.kubectl(['delete', 'virtualservice,destinationrule', 'httpbin']);
    await eventually(async () => assert.equal(await statusInMesh(mesh, '/status/201'), '201'));
  },

  async 'a VirtualService before its DestinationRule: a warning, until the rule comes'(mesh) {
    const http = [{ route: [{ destination: { host: 'httpbin', subset: 'v1' } }] }];
    const { stderr } = await accepted(mesh, virtualService('httpbin', { hosts: ['httpbin'], http }));
    assert.match(stderr, /Warning: \[IST0101\] .*"httpbin\+v1" .*DestinationRule.*503/);
    await eventually(async () => assert.equal(await statusInMesh(mesh, '/status/200'), '503'));
    assert.equal((await accepted(mesh, destinationRule('httpbin', 'v1'))).stderr, '');
    await eventually(async () => assert.equal(await statusInMesh(mesh, '/status/200'), '200'));
  },

  async 'a DestinationRule deleted while in use: 503 there, and analyze says why'(mesh) {
    await mesh.kubectl(['delete', 'destinationrule', 'httpbin']);
    await eventually(async () => assert.equal(await statusInMesh(mesh, '/status/200'), '503'));
    const { stdout, stderr } = await istioctl(mesh, ['analyze', '-n', 'default']);
    assert.match(stdout + stderr, /IST0101.*VirtualService default\/httpbin.*httpbin\+v1/);
    await accepted(mesh, destinationRule('httpbin', 'v1'));
    await eventually(async () => assert.equal(await statusInMesh(mesh, '/status/200'), '200'));
    await mesh.kubectl(['delete', 'virtualservice,destinationrule', 'httpbin']);
  },

  async 'a host that does not exist: its whole name'(mesh) {
    const http = [{ match: [{ uri: { prefix: '/nowhere' } }], route: [{ destination: { host: 'nowhere' } }] }, { route: TO_HTTPBIN }];
    const { stderr } = await accepted(mesh, virtualService('httpbin', { hosts: ['httpbin'], http }));
    assert.match(stderr, /Warning: \[IST0101\] .*Referenced host not found: "nowhere" .*nowhere\.default\.svc\.cluster\.local.*503/);
    await eventually(async () => assert.equal(await statusInMesh(mesh, '/nowhere'), '503'));
    assert.equal(await statusInMesh(mesh, '/status/200'), '200');
    await mesh.kubectl(['delete', 'virtualservice', 'httpbin']);
  },

  async 'two VirtualServices for one host: the later is told that it has no effect'(mesh) {
    const answering = (name: string, status: number) =>
      virtualService(name, { hosts: ['httpbin'], http: [{ directResponse: { status } }] });
    assert.equal((await accepted(mesh, answering('z-first', 201))).stderr, '');
    await eventually(async () => assert.equal(await statusInMesh(mesh, '/status/200'), '201'));
    // Ages have whole seconds, as in Kubernetes.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const { stderr } = await accepted(mesh, answering('a-second', 202));
    assert.match(stderr, /Warning: .*IST0109.*VirtualService default\/z-first defines the same host httpbin\.default\.svc\.cluster\.local/);
    for (let i = 0; i < 5; i++) assert.equal(await statusInMesh(mesh, '/status/200'), '201');
    await mesh.kubectl(['delete', 'virtualservice', 'z-first']);
    await eventually(async () => assert.equal(await statusInMesh(mesh, '/status/200'), '202'));
    await mesh.kubectl(['delete', 'virtualservice', 'a-second']);
  },

  async 'a Gateway and a VirtualService without a common host: both names and the 404'(mesh) {
    const servers = [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['books.example.com'] }];
    const spec = { selector: { istio: 'ingressgateway' }, servers };
    await accepted(mesh, JSON.stringify({ apiVersion: ISTIO, kind: 'Gateway', metadata: { name: 'books' }, spec }));
    const bound = (hosts: string[]) => virtualService('books', { hosts, gateways: ['books'], http: [{ route: TO_HTTPBIN }] });
    const { stderr } = await accepted(mesh, bound(['shop.example.com']));
    assert.match(stderr, /Warning: \[IST0132\] .*shop\.example\.com.*VirtualService default\/books.*serves books\.example\.com.*404/);
    const url = await mesh.gatewayUrl();
    assert.equal((await httpRequest(`${url}/status/200`, { headers: { host: 'shop.example.com' } })).status, 404);
    assert.match((await accepted(mesh, bound(['*']))).stderr, /serves only books\.example\.com: .*404/);
    assert.equal((await accepted(mesh, bound(['books.example.com']))).stderr, '');
    await eventually(async () =>
      assert.equal((await httpRequest(`${url}/status/200`, { headers: { host: 'books.example.com' } })).status, 200),
    );
    assert.match(
      (await accepted(mesh, virtualService('books', { hosts: ['*'], gateways: ['gone'], http: [{ route: TO_HTTPBIN }] }))).stderr,
      /gateway not found: "default\/gone"/,
    );
    await mesh.kubectl(['delete', 'virtualservice,gateway', 'books']);
  },
};

const virtualService = (name: string, spec: object): string =>
  JSON.stringify({ apiVersion: ISTIO, kind: 'VirtualService', metadata: { name }, spec });

/** Of httpbin, with one subset that selects all its pods. */
const destinationRule = (name: string, subset: string): string =>
  JSON.stringify({
    apiVersion: ISTIO,
    kind: 'DestinationRule',
    metadata: { name },
    spec: { host: 'httpbin', subsets: [{ name: subset, labels: { version: 'v1' } }] },
  });

async function refused(mesh: Mesh, input: string, command = 'apply'): Promise<RunResult> {
  const result = await mesh.tryKubectl([command, '-f', '-'], { input });
  assert.equal(result.code, 1, `it was accepted: ${result.stdout}${result.stderr}`);
  return result;
}

async function accepted(mesh: Mesh, input: string): Promise<RunResult> {
  const result = await mesh.tryKubectl(['apply', '-f', '-'], { input });
  assert.equal(result.code, 0, result.stderr);
  return result;
}

async function absent(mesh: Mesh, resource: string, name: string): Promise<void> {
  assert.match((await mesh.tryKubectl(['get', resource, name])).stderr, /NotFound/);
}

async function lateen(mesh: Mesh, args: string[], input = '', program = 'lateen'): Promise<RunResult> {
  return run(join(checkout, program), args, { input, env: { KUBECONFIG: join(mesh.stateDir, 'state', 'kubeconfig') } });
}

const istioctl = (mesh: Mesh, args: string[], input = ''): Promise<RunResult> => lateen(mesh, args, input, 'bin/istioctl');

/** What httpbin answers to the curl pod. */
function statusInMesh(mesh: Mesh, path: string): Promise<string> {
  const curl = ['curl', '-s', '-m', '5', '-o', '/dev/null', '-w', '%{http_code}', `http://httpbin:8000${path}`];
  return mesh.kubectl(['exec', 'deploy/curl', '-c', 'curl', '--', ...curl]);
}

/** Asks helloworld from inside the mesh, about ten times a second; gives every status. */
function startLoadInMesh(mesh: Mesh): { stop(): Promise<string[]> } {
  const inPod = (script: string, timeoutMs = 60_000) =>
    mesh.kubectl(['exec', 'deploy/curl', '-c', 'curl', '--', 'sh', '-c', script], { timeoutMs });
  const one = `curl -s -m 5 -o /dev/null -w '%{http_code}\\n' http://helloworld:5000/hello`;
  const running = inPod(`while [ ! -e /tmp/stop-load-$HOSTNAME ]; do ${one}; sleep 0.1; done; rm /tmp/stop-load-$HOSTNAME`, 300_000);
  running.catch(() => {});
  return {
    async stop() {
      await inPod('touch /tmp/stop-load-$HOSTNAME');
      return (await running).trim().split('\n');
    },
  };
}

/** The API server and the control plane are up, nothing was restarted, every proxy has what it was sent. */
async function assertUnharmed(mesh: Mesh): Promise<void> {
  assert.equal(await mesh.kubectl(['get', '--raw', '/readyz']), 'ok');
  const pods = await mesh.kubectl(['get', 'pods', '-A', '--no-headers']);
  for (const pod of pods.trim().split('\n')) assert.match(pod, / (2\/2|1\/1) +Running +0 /);
  await eventually(async () => {
    const { stdout } = await istioctl(mesh, ['proxy-status']);
    const proxies = stdout.trim().split('\n').slice(1);
    assert.equal(proxies.length, 5, stdout);
    for (const proxy of proxies) assert.match(proxy, / 4 \(CDS,LDS,EDS,RDS\)/);
  });
}
