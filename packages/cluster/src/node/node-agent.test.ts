import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { delay, systemClock } from '@lateen/base';
import { eventually } from '@lateen/base/testing';
import type { Container, Node } from '@lateen/kube/types';
import { CONFIG_MAPS, ENDPOINT_SLICES, NODES, PODS } from './kube-resources.ts';
import { NODE_NAME, startAgent } from './testing/agent-fixture.ts';

const shell = (name: string, script: string, extra: Partial<Container> = {}): Container => ({
  name,
  image: 'shell:1',
  args: [script],
  ...extra,
});
/** Runs until SIGTERM. */
const FOREVER = 'trap "echo bye; exit 0" TERM; echo up; while :; do sleep 0.05; done';

test('the node registers as Ready', async (t) => {
  const { client } = await startAgent(t);
  const node = client.find<Node>(NODES, NODE_NAME);
  assert.equal(node?.status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True');
});

test('a pod runs, is ready, has logs, and ends gracefully when deleted', async (t) => {
  const { client, createPod, pod, logs, events } = await startAgent(t);
  await createPod('web', { containers: [shell('app', FOREVER)] });
  await eventually(() => assert.equal(pod('web').status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True'));
  const { status } = pod('web');
  assert.equal(status?.phase, 'Running');
  assert.match(status?.podIP ?? '', /^127\.0\.1\./);
  assert.equal(status?.containerStatuses?.[0]?.ready, true);
  await eventually(async () => assert.equal(await logs('web'), 'up\n'));
  const following = logs('web', { follow: true });
  await client.delete(PODS, { namespace: 'default', name: 'web' });
  assert.equal(await following, 'up\nbye\n');
  await eventually(() => assert.equal(client.find(PODS, 'web', 'default'), undefined));
  for (const reason of ['Pulled', 'Created', 'Started', 'Killing']) await eventually(() => assert.equal(events(reason).length, 1, reason));
});

test('a container ignoring SIGTERM is killed when its grace period is over', async (t) => {
  const { client, createPod, pod } = await startAgent(t);
  await createPod('deaf', { containers: [shell('app', 'trap "" TERM; while :; do sleep 0.05; done')], terminationGracePeriodSeconds: 1 });
  await eventually(() => assert.equal(pod('deaf').status?.phase, 'Running'));
  const before = performance.now();
  await client.delete(PODS, { namespace: 'default', name: 'deaf' });
  await eventually(() => assert.equal(client.find(PODS, 'deaf', 'default'), undefined));
  assert.ok(performance.now() - before >= 900);
});

test('init containers run one after the other before the containers, and their failure with policy Never fails the pod', async (t) => {
  const { createPod, pod, logs, stateDir } = await startAgent(t);
  const file = `${stateDir}/order`;
  await createPod('ordered', {
    restartPolicy: 'Never',
    initContainers: [shell('one', `echo one >> ${file}`), shell('two', `echo two >> ${file}`)],
    containers: [shell('app', `cat ${file}`)],
  });
  await eventually(() => assert.equal(pod('ordered').status?.phase, 'Succeeded'));
  assert.equal(await logs('ordered', { container: 'app' }), 'one\ntwo\n');
  await createPod('broken', { restartPolicy: 'Never', initContainers: [shell('bad', 'exit 3')], containers: [shell('app', 'true')] });
  await eventually(() => assert.equal(pod('broken').status?.phase, 'Failed'));
  assert.equal(pod('broken').status?.initContainerStatuses?.[0]?.state?.terminated?.exitCode, 3);
});

test('a crashing container restarts at once, then backs off; the previous log stays readable', async (t) => {
  const { createPod, pod, logs, events } = await startAgent(t);
  await createPod('crash', { containers: [shell('app', 'echo crashing; exit 7')] });
  await eventually(() => assert.equal(pod('crash').status?.containerStatuses?.[0]?.state?.waiting?.reason, 'CrashLoopBackOff'));
  const [status] = pod('crash').status?.containerStatuses ?? [];
  assert.equal(status?.restartCount, 1);
  assert.equal(status?.lastState?.terminated?.exitCode, 7);
  assert.equal(await logs('crash', { previous: true }), 'crashing\n');
  await eventually(() => assert.match(events('BackOff')[0] ?? '', /Back-off restarting failed container app/));
});

test('an unknown image waits as ErrImageNeverPull and says what to do', async (t) => {
  const { createPod, pod, events } = await startAgent(t);
  await createPod('unknown', { containers: [{ name: 'app', image: 'example.com/nobody/knows:1' }] });
  await eventually(() => assert.equal(pod('unknown').status?.containerStatuses?.[0]?.state?.waiting?.reason, 'ErrImageNeverPull'));
  assert.equal(pod('unknown').status?.phase, 'Pending');
  await eventually(() =>
    assert.match(events('ErrImageNeverPull')[0] ?? '', /"example.com\/nobody\/knows:1".*no container runtime.*lateen up --images FILE/),
  );
});

test('an annotation names the command of an image that the catalogue does not know', async (t) => {
  const { createPod, pod, logs } = await startAgent(t);
  await createPod(
    'annotated',
    { restartPolicy: 'Never', containers: [{ name: 'app', image: 'x/y' }] },
    { 'lateen.io/command.app': `sh -c 'echo "hello there"'` },
  );
  await eventually(() => assert.equal(pod('annotated').status?.phase, 'Succeeded'));
  assert.equal(await logs('annotated'), 'hello there\n');
});

test('a host port is not opened, and the pod says so', async (t) => {
  const { createPod, events } = await startAgent(t);
  await createPod('web', { containers: [shell('app', FOREVER, { ports: [{ containerPort: 80, hostPort: 8080 }] })] });
  await eventually(() => assert.match(events('NotSupported')[0] ?? '', /hostPort 8080 of container app is not opened/));
});

test('a missing ConfigMap holds the container back until it exists', async (t) => {
  const { client, createPod, pod, logs } = await startAgent(t);
  const env = [{ name: 'GREETING', valueFrom: { configMapKeyRef: { name: 'words', key: 'hello' } } }];
  await createPod('configured', { restartPolicy: 'Never', containers: [shell('app', 'echo $GREETING', { env })] });
  await eventually(() =>
    assert.equal(pod('configured').status?.containerStatuses?.[0]?.state?.waiting?.reason, 'CreateContainerConfigError'),
  );
  assert.match(pod('configured').status?.containerStatuses?.[0]?.state?.waiting?.message ?? '', /configmap "words" not found/);
  await client.create(CONFIG_MAPS, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'words', namespace: 'default' },
    data: { hello: 'ahoy' },
  });
  await eventually(() => assert.equal(pod('configured').status?.phase, 'Succeeded'));
  assert.equal(await logs('configured'), 'ahoy\n');
});

test('a mounted ConfigMap follows its object', async (t) => {
  const { client, createPod, pod, stateDir } = await startAgent(t);
  const words = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'words', namespace: 'default' } };
  await client.create(CONFIG_MAPS, { ...words, data: { hello: 'ahoy' } });
  const mounts = [{ name: 'words', mountPath: '/etc/words' }];
  // The path is rewritten to the volume's directory, since nothing is mounted in this network mode.
  await createPod('mounted', {
    containers: [shell('app', `cat /etc/words/hello; ${FOREVER}`, { volumeMounts: mounts })],
    volumes: [{ name: 'words', configMap: { name: 'words' } }],
  });
  await eventually(() => assert.equal(pod('mounted').status?.phase, 'Running'));
  const file = `${stateDir}/pods/${pod('mounted').metadata.uid}/volumes/words/hello`;
  assert.equal(readFileSync(file, 'utf8'), 'ahoy');
  await client.update(CONFIG_MAPS, { ...words, data: { hello: 'hoist' } });
  await eventually(() => assert.equal(readFileSync(file, 'utf8'), 'hoist'));
});

test('readiness follows its probe and a failing liveness probe restarts the container', async (t) => {
  const { createPod, pod, stateDir, events } = await startAgent(t);
  const file = `${stateDir}/ready`;
  const readinessProbe = { exec: { command: ['test', '-e', file] }, periodSeconds: 1, failureThreshold: 1 };
  await createPod('probed', { containers: [shell('app', `sleep 0.3; touch ${file}; ${FOREVER}`, { readinessProbe })] });
  await eventually(() => assert.equal(pod('probed').status?.phase, 'Running'));
  assert.equal(pod('probed').status?.containerStatuses?.[0]?.ready, false);
  await eventually(() => assert.equal(pod('probed').status?.containerStatuses?.[0]?.ready, true));
  const livenessProbe = { tcpSocket: { port: 1, host: '127.0.0.1' }, periodSeconds: 1, failureThreshold: 1 };
  await createPod('dead', { containers: [shell('app', FOREVER, { livenessProbe })] });
  await eventually(() => assert.equal(pod('dead').status?.containerStatuses?.[0]?.restartCount, 1));
  await eventually(() => assert.match(events('Unhealthy').join(), /Liveness probe failed: connect ECONNREFUSED/));
});

test('builtins run in-process: istio-init captures, the sidecar writes logs and stops when told', async (t) => {
  let stopped = false;
  const { client, network, createPod, pod, logs } = await startAgent(t, {
    'istio-proxy': async ({ argv, write, stop, sandbox }) => {
      write(`proxy ${argv.join(' ')} at ${sandbox.ip}\n`);
      await new Promise((resolve) => stop.addEventListener('abort', resolve, { once: true }));
      stopped = true;
      return { exitCode: 0 };
    },
  });
  await createPod('meshed', {
    initContainers: [{ name: 'istio-init', image: 'docker.io/istio/init:1.2', args: ['istio-iptables', '-p', '15001', '-b', '*'] }],
    containers: [shell('app', FOREVER), { name: 'istio-proxy', image: 'docker.io/istio/proxyv2:1.2', args: ['proxy', 'sidecar'] }],
  });
  await eventually(() => assert.equal(pod('meshed').status?.phase, 'Running'));
  assert.equal(network.captured.get('meshed')?.includeInboundPorts, '*');
  assert.match(await logs('meshed', { container: 'istio-proxy' }), /^proxy proxy sidecar at 127/);
  await client.delete(PODS, { namespace: 'default', name: 'meshed' });
  await eventually(() => assert.equal(client.find(PODS, 'meshed', 'default'), undefined));
  assert.ok(stopped);
});

test('a postStart hook of the first container holds back the second', async (t) => {
  const { createPod, pod, stateDir } = await startAgent(t);
  const gate = `${stateDir}/gate`;
  const lifecycle = { postStart: { exec: { command: ['sh', '-c', `until test -e ${gate}; do sleep 0.02; done`] } } };
  await createPod('held', { containers: [shell('proxy', FOREVER, { lifecycle }), shell('app', `touch ${stateDir}/app; ${FOREVER}`)] });
  await eventually(() => assert.ok(pod('held').status?.containerStatuses?.[0]?.state?.running));
  assert.ok(pod('held').status?.containerStatuses?.[1]?.state?.waiting);
  writeFileSync(gate, '');
  await eventually(() => assert.ok(pod('held').status?.containerStatuses?.[1]?.state?.running));
});

test('exec runs beside the container with its environment and gives the exit code', async (t) => {
  const { agent, createPod, pod } = await startAgent(t);
  await createPod('web', { containers: [shell('app', FOREVER, { env: [{ name: 'COLOUR', value: 'teal' }] })] });
  await eventually(() => assert.equal(pod('web').status?.phase, 'Running'));
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  stdin.end('from stdin');
  const ref = { namespace: 'default', name: 'web', container: undefined };
  const result = await agent.nodeApi.exec(
    ref,
    ['sh', '-c', 'cat; echo " $COLOUR"; echo no >&2; exit 4'],
    { tty: false },
    { stdin, stdout, stderr },
    new AbortController().signal,
  );
  assert.deepEqual(result, { exitCode: 4 });
  stdout.end();
  stderr.end();
  assert.equal(await text(stdout), 'from stdin teal\n');
  assert.equal(await text(stderr), 'no\n');
});

test('a new agent runs the stored pods again, as after a reboot', async (t) => {
  const fixture = await startAgent(t);
  await fixture.createPod('web', { containers: [shell('app', FOREVER)] });
  await eventually(() => assert.equal(fixture.pod('web').status?.phase, 'Running'));
  const { podIP } = fixture.pod('web').status ?? {};
  await fixture.agent.close();
  assert.deepEqual(fixture.network.destroyed, ['web']);
  await fixture.restart();
  await eventually(() => {
    const { status } = fixture.pod('web');
    assert.equal(status?.containerStatuses?.[0]?.restartCount, 1);
    assert.equal(status?.containerStatuses?.[0]?.ready, true);
    assert.notEqual(status?.podIP, podIP);
  });
  assert.equal(fixture.pod('web').status?.containerStatuses?.[0]?.lastState?.terminated?.reason, 'ContainerStatusUnknown');
});

test('a deleted pod keeps serving until its clients have had time to learn that its endpoint is gone', async (t) => {
  const { client, createPod, pod } = await startAgent(t);
  await createPod('served', { containers: [shell('app', FOREVER)] });
  await eventually(() => assert.equal(pod('served').status?.phase, 'Running'));
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'served', namespace: 'default' },
    addressType: 'IPv4' as const,
  };
  const targetRef = { kind: 'Pod', name: 'served', namespace: 'default', uid: pod('served').metadata.uid ?? '' };
  const endpoint = (ready: boolean) => ({ addresses: ['127.0.1.9'], conditions: { ready }, targetRef });
  await client.create(ENDPOINT_SLICES, { ...slice, endpoints: [endpoint(true)] });
  await delay(systemClock, 50);
  await client.delete(PODS, { namespace: 'default', name: 'served' });
  await client.update(ENDPOINT_SLICES, { ...slice, endpoints: [endpoint(false)] });
  const before = performance.now();
  await eventually(() => assert.equal(client.find(PODS, 'served', 'default'), undefined));
  assert.ok(performance.now() - before >= 600, 'the control plane gathers changes for up to 500 ms before it tells the proxies');
});

test('a stopping node does not wait until sidecars have drained', { timeout: 8000 }, async (t) => {
  const { agent, createPod, pod } = await startAgent(t, { 'istio-proxy': () => new Promise(() => {}) });
  await createPod('web', { terminationGracePeriodSeconds: 30, containers: [{ name: 'istio-proxy', image: 'istio/proxyv2' }] });
  await eventually(() => assert.equal(pod('web').status?.phase, 'Running'));
  await agent.close();
});

test('a pod past its active deadline fails', async (t) => {
  const { createPod, pod } = await startAgent(t);
  await createPod('late', { activeDeadlineSeconds: 1, restartPolicy: 'Never', containers: [shell('app', FOREVER)] });
  await eventually(() => assert.equal(pod('late').status?.reason, 'DeadlineExceeded'));
  assert.equal(pod('late').status?.phase, 'Failed');
});

test('exec with a terminal echoes, edits lines and gives raw line ends', async (t) => {
  const { agent, createPod, pod } = await startAgent(t);
  await createPod('web', { containers: [shell('app', FOREVER)] });
  await eventually(() => assert.equal(pod('web').status?.phase, 'Running'));
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  stdin.write('echo hx\x7fi >&2\rexit 3\r');
  const ref = { namespace: 'default', name: 'web', container: 'app' };
  const streams = { stdin, stdout, stderr: undefined };
  const result = await agent.nodeApi.exec(ref, ['sh'], { tty: true }, streams, new AbortController().signal);
  assert.deepEqual(result, { exitCode: 3 });
  stdout.end();
  assert.equal(await text(stdout), 'echo hx\b \bi >&2\r\nexit 3\r\nhi\r\n');
});

test('attach streams output from now on, and ends with the container', async (t) => {
  const { client, agent, createPod, pod } = await startAgent(t);
  await createPod('echo', { containers: [shell('app', 'read line; echo "got $line"', { stdin: true })], restartPolicy: 'Never' });
  await eventually(() => assert.equal(pod('echo').status?.phase, 'Running'));
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  stdin.write('hello\n');
  const ref = { namespace: 'default', name: 'echo', container: undefined };
  const result = await agent.nodeApi.attach(ref, { tty: false }, { stdin, stdout, stderr: undefined }, new AbortController().signal);
  assert.deepEqual(result, { exitCode: 0 });
  stdout.end();
  assert.equal(await text(stdout), 'got hello\n');
  await client.delete(PODS, { namespace: 'default', name: 'echo' });
});

test('port-forward reaches a port of the pod, and an unknown pod is refused in words', async (t) => {
  const { agent, createPod, pod } = await startAgent(t);
  const server = createServer((socket) => socket.end('hello'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  await createPod('web', { containers: [shell('app', FOREVER), shell('second', FOREVER)] });
  await eventually(() => assert.equal(pod('web').status?.phase, 'Running'));
  const ref = { namespace: 'default', name: 'web', container: undefined };
  const socket = await agent.nodeApi.portForward(ref, (server.address() as AddressInfo).port);
  assert.equal(await text(socket), 'hello');
  await assert.rejects(agent.nodeApi.portForward({ ...ref, name: 'none' }, 1), { message: 'pods "none" not found on this node' });
  await assert.rejects(
    agent.nodeApi.exec(
      ref,
      ['true'],
      { tty: false },
      { stdin: undefined, stdout: undefined, stderr: undefined },
      new AbortController().signal,
    ),
    {
      message: 'a container name must be specified for pod web, choose one of: [app second]',
    },
  );
});
