// What stays when something is killed: nothing on the machine, everything in the store.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { httpRequest } from '../support/http.ts';
import { cannotRun, type Mesh, makeStateDir, type Rung, samples, startMesh } from '../support/mesh.ts';
import { allProcesses, findProcess, type ProcessInfo, processTree } from '../support/processes.ts';
import { exitOf } from '../support/run.ts';
import { installBookinfo, waitForPods } from './bookinfo-tutorial.ts';

async function survival(t: TestContext, rung: Rung): Promise<void> {
  const stateDir = makeStateDir(rung);
  t.after(() => rmSync(stateDir, { recursive: true, force: true }));
  const start = (context: TestContext) => startMesh(context, { rung, stateDir, keepState: true });
  let before: string[] = [];

  await t.test('kill -9 of the parent leaves nothing behind', async (context) => {
    const machine = readMachine();
    const mesh = await start(context);
    await installBookinfo(mesh);
    await mesh.kubectl(['apply', '-f', join(samples, 'bookinfo/networking/bookinfo-gateway.yaml')]);
    await serves(mesh);
    before = await objects(mesh);
    const own = processesOf(mesh);
    assert.ok(own.length > 8, 'the mesh and its apps are processes');
    process.kill(pidOf(mesh), 'SIGKILL');
    assert.equal(await exitOf(mesh.process), 'SIGKILL');
    await nothingLeft(own, machine);
  });

  await t.test('the next start restores every object and pod; kill -9 of the node process leaves nothing either', async (context) => {
    const machine = readMachine();
    const mesh = await start(context);
    await waitForPods(mesh, 'default', 6);
    await serves(mesh);
    assert.deepEqual(await objects(mesh), before);
    const own = processesOf(mesh);
    process.kill(findProcess(pidOf(mesh), 'node-main').pid, 'SIGKILL');
    assert.equal(await exitOf(mesh.process), 1);
    assert.match(mesh.output(), /the node process ended unexpectedly \(SIGKILL\)/);
    await nothingLeft(own, machine);
  });

  await t.test('the third start runs on through the death of its parts, and ends cleanly', async (context) => {
    const machine = readMachine();
    const mesh = await start(context);
    await waitForPods(mesh, 'default', 6);
    assert.deepEqual(await objects(mesh), before);

    await context.test('an app that is killed is started again', async () => {
      const restarts = async () =>
        Number(
          await mesh.kubectl(['get', 'pods', '-l', 'app=ratings', '-o', 'jsonpath={.items[0].status.containerStatuses[0].restartCount}']),
        );
      const last = await restarts();
      process.kill(findProcess(pidOf(mesh), 'bookinfo/src/ratings').pid, 'SIGKILL');
      await eventually(async () => assert.equal(await restarts(), last + 1));
      await waitForPods(mesh, 'default', 6);
      await serves(mesh);
    });

    await context.test('so is the control plane; traffic flows on, and proxies take new configuration again', async () => {
      const { pid } = findProcess(pidOf(mesh), 'control-plane');
      process.kill(pid, 'SIGKILL');
      await serves(mesh);
      await eventually(() => assert.notEqual(findProcess(pidOf(mesh), 'control-plane').pid, pid));
      await mesh.kubectl(['-n', 'istio-system', 'rollout', 'status', 'deployment/istiod']);
      const url = `${await mesh.gatewayUrl()}/after`;
      const host = { metadata: { name: 'after' }, spec: { hosts: ['after.example'], gateways: ['bookinfo-gateway'] } };
      const http = [{ match: [{ uri: { exact: '/after' } }], directResponse: { status: 299 } }];
      const service = { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', ...host, spec: { ...host.spec, http } };
      await eventually(() => mesh.kubectl(['apply', '-f', '-'], { input: JSON.stringify(service) }));
      const answer = () => httpRequest(url, { headers: { host: 'after.example' } });
      await eventually(async () => assert.equal((await answer()).status, 299), { timeoutMs: 30_000 });
    });

    await context.test('pods asked for while there is no control plane come soon after it', async () => {
      await mesh.kubectl(['-n', 'istio-system', 'scale', 'deployment/istiod', '--replicas=0']);
      await eventually(() => assert.throws(() => findProcess(pidOf(mesh), 'control-plane')));
      await mesh.kubectl(['scale', 'deployment/details-v1', '--replicas=2']);
      const failures = ['get', 'events', '--field-selector', 'reason=FailedCreate', '-o', 'jsonpath={.items[*].message}'];
      await eventually(async () =>
        assert.match(await mesh.kubectl(failures), /Error creating: Internal error occurred: failed calling webhook "[^"]+istio.io"/),
      );
      await mesh.kubectl(['-n', 'istio-system', 'scale', 'deployment/istiod', '--replicas=1']);
      await waitForPods(mesh, 'default', 7);
    });

    await context.test('a second mesh from the same folder is refused', async () => {
      await assert.rejects(mesh.lateen(['up', '--network', rung]), /exited with 1\n.*a mesh is already running[\s\S]*LAT7101/);
      await serves(mesh);
    });

    const own = processesOf(mesh);
    mesh.process.kill('SIGTERM');
    assert.equal(await exitOf(mesh.process), 0);
    await nothingLeft(own, machine);
    const files = readdirSync(join(stateDir, 'state'));
    assert.deepEqual(
      files.filter((name) => /lock|machine/.test(name)),
      [],
    );
    assert.deepEqual(readdirSync(join(stateDir, 'state/node/pods')), []);
  });
}

const pidOf = (mesh: Mesh): number => mesh.process.pid as number;

/** Bookinfo's page with its reviews, through the gateway. */
async function serves(mesh: Mesh): Promise<void> {
  const url = `${await mesh.gatewayUrl()}/productpage`;
  await eventually(async () => {
    const { status, body } = await httpRequest(url);
    assert.equal(status, 200, body.slice(0, 200));
    assert.match(body, /Reviewer1/);
  });
}

/** Kind, name and uid of what a user made, and of the pods that came of it. */
async function objects(mesh: Mesh): Promise<string[]> {
  const kinds =
    'deployments,replicasets,pods,services,endpoints,serviceaccounts,configmaps,gateways,virtualservices,customresourcedefinitions';
  const columns = '-o=custom-columns=:kind,:metadata.namespace,:metadata.name,:metadata.uid';
  return (await mesh.kubectl(['get', kinds, '-A', '--no-headers', columns])).trim().split('\n').sort();
}

type Machine = { mounts: string[]; links: string[] };

/** Of the host, as far as a mesh could leave something in it. */
function readMachine(): Machine {
  return { mounts: readFileSync('/proc/self/mountinfo', 'utf8').split('\n').sort(), links: readdirSync('/sys/class/net').sort() };
}

/**
 * All processes of the mesh: those below its parent, and whatever else is in their network namespaces. A namespace goes with its last
 * process, so it is gone when they are; its number says nothing afterwards, because it may be used again at once.
 */
function processesOf(mesh: Mesh): ProcessInfo[] {
  const tree = processTree(pidOf(mesh));
  const host = tree.find(({ pid }) => pid === pidOf(mesh))?.netns;
  const namespaces = new Set(tree.map(({ netns }) => netns).filter((netns) => netns !== host));
  const others = allProcesses().filter(({ pid, netns }) => namespaces.has(netns) && !tree.some((one) => one.pid === pid));
  return [...tree, ...others];
}

async function nothingLeft(own: readonly ProcessInfo[], before: Machine): Promise<void> {
  await eventually(() => {
    const living = new Set(allProcesses().map(({ pid, startTime }) => `${pid} ${startTime}`));
    assert.deepEqual(
      own.filter(({ pid, startTime }) => living.has(`${pid} ${startTime}`)),
      [],
    );
  });
  assert.deepEqual(readMachine(), before);
}

for (const rung of ['root', 'rootless', 'proxy'] as const) {
  const skip = process.platform === 'linux' ? ((await cannotRun(rung)) ?? false) : 'reads /proc';
  test(`a mesh survives being killed, on the ${rung} rung`, { skip }, (t) => survival(t, rung));
}
