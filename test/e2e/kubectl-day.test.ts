// What somebody with kubectl does in a day with an injected application.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { httpRequest, startLoad } from '../support/http.ts';
import { cannotRun, type Mesh, samples, startMesh } from '../support/mesh.ts';
import { exitOf, run } from '../support/run.ts';
import { installBookinfo } from './bookinfo-tutorial.ts';

const parts: Record<string, (mesh: Mesh, t: TestContext) => Promise<void>> = {
  async 'logs, of a pod, a deployment, a selector, every container, and while they grow'({ kubectl, ...mesh }, t) {
    assert.match(await kubectl(['logs', 'deploy/productpage-v1']), /listening on port 9080/);
    const everything = await kubectl(['logs', '-l', 'app=reviews', '--all-containers', '--prefix', '--tail=-1']);
    for (const container of ['istio-init', 'reviews', 'istio-proxy'])
      assert.match(everything, new RegExp(`^\\[pod/reviews-v2.*/${container}\\]`, 'm'));
    const following = background(t, mesh, ['logs', '-f', 'deploy/details-v1', '-c', 'istio-proxy', '--tail=0']);
    const telemetry = { apiVersion: 'telemetry.istio.io/v1', kind: 'Telemetry', metadata: { name: 'day', namespace: 'istio-system' } };
    const spec = { accessLogging: [{ providers: [{ name: 'envoy' }] }] };
    await kubectl(['apply', '-f', '-'], { input: JSON.stringify({ ...telemetry, spec }) });
    await eventually(async () => {
      await httpRequest(`${await mesh.gatewayUrl()}/productpage`);
      assert.match(following.output(), /"GET \/details\/0 HTTP\/1\.1" 200/);
    });
    await kubectl(['-n', 'istio-system', 'delete', 'telemetry', 'day']);
  },

  async 'exec gives the exit code, with a terminal as without; cp goes both ways'({ kubectl, tryKubectl, stateDir }) {
    const inside = ['exec', 'deploy/ratings-v1', '-c', 'ratings', '--'];
    assert.equal((await kubectl([...inside, 'curl', '-s', 'details:9080/health'])).trim(), '{"status":"Details is healthy"}');
    assert.equal((await tryKubectl([...inside, 'sh', '-c', 'exit 3'])).code, 3);
    const { stdout, code } = await run('script', ['-qec', 'kubectl exec -it deploy/ratings-v1 -c ratings -- sh', '/dev/null'], {
      env: { KUBECONFIG: join(stateDir, 'state/kubeconfig') },
      input: 'echo in $((40 + 2))\nexit 5\n',
    });
    assert.match(stdout, /^in 42\r?$/m);
    assert.equal(code, 5);
    const pod = await podOf(kubectl, 'ratings');
    const [from, to] = [join(stateDir, 'from'), join(stateDir, 'to')];
    writeFileSync(from, 'cargo\n');
    await kubectl(['cp', from, `${pod}:${stateDir}/inside`, '-c', 'ratings']);
    await kubectl(['cp', `${pod}:${stateDir}/inside`, to, '-c', 'ratings']);
    assert.equal(readFileSync(to, 'utf8'), 'cargo\n');
  },

  async 'port-forward reaches a deployment and a service'(mesh, t) {
    for (const target of ['deploy/productpage-v1', 'svc/productpage']) {
      const forward = background(t, mesh, ['port-forward', target, ':9080']);
      const port = await eventually(() => /127\.0\.0\.1:(\d+) -> 9080/.exec(forward.output())?.[1] ?? false);
      assert.equal((await httpRequest(`http://127.0.0.1:${port}/productpage`)).status, 200, target);
    }
  },

  async 'scaling, restarting and undoing under load loses no request; get -w sees it'({ kubectl, ...mesh }, t) {
    const watching = background(t, mesh, ['get', 'pods', '-w', '-l', 'app=details']);
    const load = startLoad(`${await mesh.gatewayUrl()}/productpage`, { perSecond: 20 });
    const settle = () => kubectl(['rollout', 'status', 'deploy/details-v1']);
    try {
      await kubectl(['scale', 'deploy/details-v1', '--replicas=2']);
      await settle();
      await kubectl(['rollout', 'restart', 'deploy/details-v1']);
      assert.match(await settle(), /successfully rolled out/);
      await kubectl(['set', 'env', 'deploy/details-v1', 'SHIP=dhow']);
      await settle();
      assert.match(await kubectl(['rollout', 'history', 'deploy/details-v1', '--revision=3']), /SHIP:\s+dhow/);
      await kubectl(['rollout', 'undo', 'deploy/details-v1']);
      await settle();
      await kubectl(['scale', 'deploy/details-v1', '--replicas=1']);
      await eventually(async () =>
        assert.equal((await kubectl(['get', 'pods', '-l', 'app=details', '--no-headers'])).trim().split('\n').length, 1),
      );
    } finally {
      const { sent, failures } = await load.stop();
      assert.deepEqual(failures, []);
      assert.ok(sent > 20);
    }
    assert.doesNotMatch(await kubectl(['get', 'deploy/details-v1', '-o', 'yaml']), /dhow/);
    assert.match(watching.output(), /^details-v1-\S+ +2\/2 +Terminating/m);
  },

  async 'a deleted pod goes gracefully and is replaced'({ kubectl }) {
    const gone = await podOf(kubectl, 'ratings');
    assert.match(await kubectl(['delete', 'pod', gone, '--timeout=15s']), /deleted/);
    await kubectl(['wait', '--for=condition=Ready', 'pod', '-l', 'app=ratings', '--timeout=20s']);
    assert.notEqual(await podOf(kubectl, 'ratings'), gone);
  },

  async 'describe, events, explain, api-resources and top say what there is'({ kubectl, tryKubectl }) {
    const pod = await kubectl(['describe', 'pod', '-l', 'app=ratings']);
    for (const line of [/Node: +lateen\/169\.254\.1\.1/, /Ready +True/, /Started container istio-proxy/]) assert.match(pod, line);
    assert.match(await kubectl(['describe', 'deploy', 'ratings-v1']), /1 desired \| 1 updated \| 1 total \| 1 available/);
    assert.match(await kubectl(['describe', 'svc', 'productpage']), /Endpoints: +10\.244\.\d+\.\d+:9080/);
    assert.match(await kubectl(['describe', 'node']), /InternalIP: +169\.254\.1\.1/);
    assert.match(await kubectl(['events', '--for', 'deploy/ratings-v1']), /ScalingReplicaSet/);
    assert.match(await kubectl(['explain', 'virtualservice.spec.http']), /FIELDS:[\s\S]*\bmatch\b[\s\S]*\bmirror\b/);
    assert.match(
      await kubectl(['api-resources', '--api-group=networking.istio.io']),
      /virtualservices +vs +networking\.istio\.io\/v1 +true +VirtualService/,
    );
    assert.match((await tryKubectl(['top', 'pods'])).stderr, /Metrics API not available/);
  },

  async 'diff, label, annotate, edit, create and replace change what they say'({ kubectl, tryKubectl }) {
    const file = join(samples, 'bookinfo/platform/kube/bookinfo.yaml');
    const newer = readFileSync(file, 'utf8').replace(/(examples-bookinfo-ratings-v1):\S+/, '$1:9.9');
    const diff = await tryKubectl(['diff', '-f', '-'], { input: newer });
    assert.equal(diff.code, 1, diff.stderr);
    assert.match(diff.stdout, /^\+ +(- )?image: .*ratings-v1:9\.9$/m);
    await kubectl(['label', 'svc', 'ratings', 'rig=lateen']);
    await kubectl(['annotate', 'svc', 'ratings', 'sails=2']);
    await kubectl(['edit', 'svc', 'ratings'], { env: { EDITOR: 'sed -i s/lateen/gaff/' } });
    assert.equal(await kubectl(['get', 'svc', '-l', 'rig=gaff', '-o', 'jsonpath={.items[0].metadata.annotations.sails}']), '2');
    const sleep = join(samples, 'sleep/sleep.yaml');
    await kubectl(['create', '-f', sleep]);
    assert.match((await tryKubectl(['create', '-f', sleep])).stderr, /\(AlreadyExists\).*"sleep" already exists/);
    assert.match(await kubectl(['replace', '-f', sleep]), /deployment\.apps\/sleep replaced/);
    await kubectl(['delete', '-f', sleep]);
  },

  async 'deleting the application returns before its pods have drained, and none stays'({ kubectl }) {
    await kubectl(['delete', '-f', join(samples, 'bookinfo/platform/kube/bookinfo.yaml')]);
    assert.match(await kubectl(['get', 'pods']), /Terminating/);
    await eventually(async () => assert.equal(await kubectl(['get', 'pods', '-o', 'name']), ''));
  },
};

const podOf = (kubectl: Mesh['kubectl'], app: string): Promise<string> =>
  kubectl(['get', 'pod', '-l', `app=${app}`, '-o', 'jsonpath={.items[0].metadata.name}']);

/** kubectl in the background, ended with the test. */
function background(t: TestContext, { stateDir }: Pick<Mesh, 'stateDir'>, args: string[]): { output(): string } {
  const child = spawn('kubectl', args, {
    env: { ...process.env, KUBECONFIG: join(stateDir, 'state/kubeconfig') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  t.after(async () => {
    child.kill();
    await exitOf(child);
  });
  return { output: () => output };
}

test('a day with kubectl, on the root rung', { skip: (await cannotRun('root')) ?? false }, async (t) => {
  const mesh = await startMesh(t, { rung: 'root' });
  await installBookinfo(mesh);
  await mesh.kubectl(['apply', '-f', join(samples, 'bookinfo/networking/bookinfo-gateway.yaml')]);
  for (const [name, part] of Object.entries(parts)) await t.test(name, (context) => part(mesh, context));
});
