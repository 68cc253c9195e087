// The node process of survival.test.ts: two pods whose processes have children of their own; then hangs until it is killed.

import { readdirSync, readFileSync } from 'node:fs';
import { silentLogger, systemClock } from '@lateen/base';
import { eventually } from '@lateen/base/testing';
import type { NetworkMode } from '../../contracts.ts';
import { connectHost, createNetwork } from '../index.ts';

const host = connectHost();
const network = await createNetwork({
  mode: process.argv[2] as NetworkMode,
  reason: 'a test',
  host,
  clock: systemClock,
  logger: silentLogger,
  onApiServerConnection: (socket) => socket.destroy(),
});
const script = 'trap "" TERM HUP INT; sleep 300 & sleep 300 & wait';
for (const [i, user] of [{}, { runAsUser: 1000, runAsGroup: 1000 }].entries()) {
  const pod = await network.createPod({ uid: `${i}`, namespace: 'default', name: `pod-${i}`, hostname: `pod-${i}`, ports: [] });
  pod.spawn({ argv: ['sh', '-c', script], env: {}, mounts: [], hostname: `pod-${i}`, stdio: 'ignore', ...user });
}

const parentOf = (pid: string): string | undefined => {
  try {
    return /^\d+ \(.*\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
  } catch {
    return undefined;
  }
};
const descendants = (of: string): string[] =>
  readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && parentOf(pid) === of)
    .flatMap((pid) => [pid, ...descendants(pid)]);

// A pod is `unshare`, the shell and two sleeps; in proxy mode there is no `unshare`.
const perPod = network.mode === 'proxy' ? 3 : 4;
const pids = await eventually(() => {
  const found = descendants(String(process.pid));
  return found.length === 2 * perPod && found;
});
if (network.mode !== 'proxy') {
  const pod = await network.createPod({ uid: 's', namespace: 'default', name: 's', hostname: 's', ports: [] });
  await pod.transport.listen({ host: '0.0.0.0', port: 15001 }, (socket) => socket.destroy());
}
host.report({ pid: process.pid, pids: pids ? pids.map(Number) : [] });
// A hanging process, which has made sidecar sockets, must die with its parent too: only the kernel can see to that.
if (network.mode !== 'proxy') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
