// A program, run in throw-away namespaces by `chooseNetworkMode`: does once, on the smallest scale, what the pod network will do.
// Prints one JSON line: {"step": "…", "error"?: "…"}; without an error everything works.

import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { systemClock } from '@lateen/base';
import type { PodSandbox } from '../contracts.ts';
import { NODE_IP } from './addresses.ts';
import { DEFAULT_CAPTURE_RULES as RULES } from './capture-rules.ts';
import { NETLINK_ROUTE, openNetlink } from './kernel/netlink.ts';
import { createNamespacedPod } from './namespaced-pod.ts';
import { setUpNode } from './node-network.ts';

/** Steps of the probe, in order; the name of the one that failed chooses the advice. */
export type ProbeStep = 'namespaces' | 'links' | 'rules' | 'capture' | 'exemption' | 'processes' | 'done';
export type ProbeOutcome = { step: ProbeStep; error?: string };

const SOMEWHERE = { host: '10.96.0.99', port: 80 };
const TIMEOUT_MS = 3_000;

async function probe(mode: 'root' | 'rootless', at: (step: ProbeStep) => void): Promise<void> {
  at('links');
  const links = openNetlink(NETLINK_ROUTE);
  const identity = { namespace: 'probe', name: 'probe', hostname: 'probe' };
  const pod = createNamespacedPod({
    pod: identity,
    ip: '10.244.0.2',
    linkIndex: 10,
    links,
    mode,
    clock: systemClock,
    onDestroyed: () => {},
  });
  at('rules');
  setUpNode(links);
  await pod.capture(RULES);
  at('capture');
  await probeCapture(pod);
  at('exemption');
  await probeExemption(pod);
  at('processes');
  const child = pod.spawn({ argv: ['true'], env: {}, mounts: [], hostname: 'probe', stdio: ['ignore', 'ignore', 'pipe'] });
  let complaint = '';
  child.stderr?.on('data', (chunk) => {
    complaint += chunk;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(complaint.trim() || `exit status ${code}`);
}

/** A connection from inside, as an app makes it, arrives at the outbound listener with its destination. */
async function probeCapture(pod: PodSandbox): Promise<void> {
  const accepted = Promise.withResolvers<Socket>();
  await pod.transport.listen({ host: '127.0.0.1', port: RULES.outboundPort }, accepted.resolve);
  const app = pod.spawn({
    argv: [process.execPath, '-e', `require('node:net').connect(${SOMEWHERE.port}, '${SOMEWHERE.host}')`],
    env: {},
    mounts: [],
    hostname: 'probe',
    stdio: 'ignore',
  });
  app.on('exit', () => accepted.reject(new Error('the connection of a process in the pod was not redirected')));
  const destination = pod.transport.originalDestination(await accepted.promise);
  app.removeAllListeners('exit');
  app.kill('SIGKILL');
  if (destination?.host !== SOMEWHERE.host || destination.port !== SOMEWHERE.port) {
    throw new Error(`the original destination is reported as ${JSON.stringify(destination)}`);
  }
}

/** A connection of the sidecar's own arrives at the node instead. */
async function probeExemption(pod: PodSandbox): Promise<void> {
  const server = createServer().listen(0, NODE_IP);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const socket = pod.transport.dial({ host: NODE_IP, port });
  await Promise.race([once(server, 'connection'), once(socket, 'error').then(([error]) => Promise.reject(error))]);
}

let step: ProbeStep = 'namespaces';
const finish = (outcome: ProbeOutcome) => process.stdout.write(`${JSON.stringify(outcome)}\n`, () => process.exit(0));
systemClock.after(TIMEOUT_MS, () => finish({ step, error: `nothing happened for ${TIMEOUT_MS / 1000} s` }));
probe(process.argv[2] === 'root' ? 'root' : 'rootless', (next) => {
  step = next;
}).then(
  () => finish({ step: 'done' }),
  (error: Error) => finish({ step, error: error.message }),
);
