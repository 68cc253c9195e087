// exec, attach, logs and port-forward by the real kubectl against a node that runs commands on this machine, over WebSocket
// and over SPDY.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { Readable } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { eventually } from '@lateen/base/testing';
import type { ExecResult, ExecStreams, NodeApi } from '../../contracts.ts';
import { noKubectl, startTestServer, type TestServer } from '../testing/test-server.ts';

function runHere(command: string[], streams: ExecStreams): Promise<ExecResult> {
  return new Promise((resolve) => {
    const [program = '', ...args] = command;
    const child = spawn(program, args);
    child.on('error', (error) => resolve({ error: error.message }));
    child.stdin.on('error', () => {}); // the command ended first
    if (streams.stdin) streams.stdin.pipe(child.stdin);
    else child.stdin.end();
    if (streams.stdout) child.stdout.pipe(streams.stdout, { end: false });
    if (streams.stderr) child.stderr.pipe(streams.stderr, { end: false });
    child.on('close', (code) => resolve({ exitCode: code ?? -1 }));
  });
}

async function startWithPod(t: TestContext): Promise<TestServer> {
  const echo = createServer((socket) => {
    socket.on('error', () => {}); // the client left
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  t.after(() => echo.close());
  const nodeApi: NodeApi = {
    logs: (pod, options) => {
      async function* lines(): AsyncGenerator<string> {
        yield `${pod.container} tail=${options.tailLines}\n`;
        if (options.follow) await new Promise((resolve) => setTimeout(resolve, 50));
        yield 'last line\n';
      }
      return Promise.resolve(Readable.from(lines()));
    },
    exec: (_pod, command, _options, streams) => runHere(command, streams),
    attach: (_pod, _options, streams) => runHere(['echo', 'attached'], streams),
    portForward: (_pod, port) => {
      if (port !== 80) return Promise.reject(new Error(`nothing listens on ${port}`));
      return Promise.resolve(connect((echo.address() as AddressInfo).port, '127.0.0.1'));
    },
  };
  const test = await startTestServer(t, { nodeApi });
  const pods = { group: '', version: 'v1', resource: 'pods', namespaced: true };
  const containers = [
    { name: 'app', image: 'x', stdin: true },
    { name: 'side', image: 'x' },
  ];
  const metadata = { name: 'p', namespace: 'default', annotations: { 'kubectl.kubernetes.io/default-container': 'app' } };
  const pod = await test.client.create(pods, { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers, nodeName: 'here' } });
  await test.client.updateStatus(pods, {
    ...pod,
    status: { phase: 'Running', containerStatuses: [{ name: 'app', ready: true, state: { running: {} } }] },
  });
  return test;
}

const WAYS = [
  { name: 'over WebSocket', env: {} },
  { name: 'over SPDY', env: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' } },
];

describe('streaming to a pod', { skip: noKubectl, timeout: 60_000 }, () => {
  for (const { name, env } of WAYS) {
    it(`runs commands ${name}: output, errors, input, exit code`, async (t) => {
      const test = await startWithPod(t);
      const failing = await test.kubectl(`exec p -- sh -c 'echo out; echo err >&2; exit 3'`, { env });
      assert.deepEqual([failing.code, failing.stdout], [3, 'out\n']);
      assert.match(failing.stderr, /err\ncommand terminated with exit code 3/);
      const input = 'x'.repeat(300_000);
      const cat = await test.kubectl('exec -i p -- cat', { input, env });
      assert.equal(cat.stdout, input, cat.stderr);
      assert.match((await test.kubectl('exec p -- /no/such/program', { env })).stderr, /ENOENT/);
      assert.match((await test.kubectl('attach p', { env })).stdout, /attached/);
    });

    it(`forwards ports ${name}`, async (t) => {
      const test = await startWithPod(t);
      const abort = new AbortController();
      let port = 0;
      const forwarding = test.kubectl('port-forward pod/p :80', {
        signal: abort.signal,
        env,
        onStdout: (text) => {
          port ||= Number(/127\.0\.0\.1:(\d+)/.exec(text)?.[1] ?? 0);
        },
      });
      await eventually(() => port !== 0);
      const sent = Buffer.alloc(2_000_000, 'y');
      for (let i = 0; i < 2; i++) {
        const socket = connect(port, '127.0.0.1');
        let received = 0;
        socket.on('data', (chunk: Buffer) => {
          received += chunk.length;
          if (received === sent.length) socket.end();
        });
        socket.write(sent);
        await once(socket, 'close');
        assert.equal(received, sent.length);
      }
      abort.abort();
      await forwarding;
    });
  }

  it('tells of a port that nobody listens on', async (t) => {
    const test = await startWithPod(t);
    const abort = new AbortController();
    let port = 0;
    const forwarding = test.kubectl('port-forward pod/p :81', {
      signal: abort.signal,
      onStdout: (text) => {
        port ||= Number(/127\.0\.0\.1:(\d+)/.exec(text)?.[1] ?? 0);
      },
    });
    await eventually(() => port !== 0);
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {}); // it is cut off
    socket.write('hello');
    await once(socket, 'close');
    abort.abort();
    assert.match((await forwarding).stderr, /nothing listens on 81/);
  });

  it('shows logs, of the default container or the named one', async (t) => {
    const test = await startWithPod(t);
    assert.equal((await test.kubectl('logs p --tail=5')).stdout, 'app tail=5\nlast line\n');
    assert.equal((await test.kubectl('logs -f p -c side')).stdout, 'side tail=undefined\nlast line\n');
    assert.match((await test.kubectl('logs p -c nope')).stderr, /container nope is not valid for pod p/);
  });

  it('refuses an upgrade without credentials', async (t) => {
    const test = await startWithPod(t);
    const result = await test.kubectl('exec p --token=wrong --client-certificate= --client-key= -- true', {
      env: { KUBECONFIG: '/dev/null' },
    });
    assert.notEqual(result.code, 0);
  });
});
