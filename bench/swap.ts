// 1,000 clusters get another endpoint: CPU and time until the last one is in effect. Envoy and Lateen by ADS, nginx and haproxy by a reload.

import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { freePort } from '@lateen/base/testing';
import { ClusterSchema } from '@lateen/xds/messages/proxy';
import { CLUSTER_TYPE, createAdsServer, type EncodedResource, encodeResource } from '@lateen/xds/server';
import { httpRequest } from '../test/support/http.ts';
import { cpuSeconds } from './support/cpu.ts';
import { clusterOf, dynamicBootstrapOf } from './support/envoy-shape.ts';
import { startUpstream } from './support/http-scenario.ts';
import { interleave, settingsFromArguments } from './support/measure.ts';
import { envoyProgram, lateenProgram, notInstalled, type Peer, type PeerName, programOf } from './support/peers.ts';
import { publish, type Row, rowOf } from './support/report.ts';
import { FOUR_PREFIXES, type Setup } from './support/setup.ts';
import { onStage, PROXY_CPU, type Stage } from './support/stage.ts';

const CLUSTERS = 1000;
const LAST = `service-${CLUSTERS - 1}.test`;
type Swap = { seconds: number; cpu: number };
/** A running peer whose clusters lead to one of two upstreams. */
type Swappable = { pid: number; port: number; swapTo(upstream: 0 | 1): void };

const settings = settingsFromArguments();
const rows: Row[] = [];
await onStage(async (stage) => {
  // The two differ in length, so that an answer tells which it was.
  const upstreams = [await startUpstream(stage, { bodyBytes: 100 }), await startUpstream(stage, { bodyBytes: 200 })] as const;
  const setups = upstreams.map(
    (upstreamPort): Setup => ({ downstream: 'http1', upstream: 'http1', upstreamPort, prefixes: FOUR_PREFIXES, idleClusters: CLUSTERS }),
  );
  const closers: (() => Promise<void>)[] = [];
  const running = new Map<PeerName, Swappable & { at: 0 | 1 }>();
  const peers: Peer[] = [];
  for (const name of settings.peers) {
    const missing = notInstalled(name);
    if (missing) {
      peers.push({ name, missing });
      continue;
    }
    const peer =
      name === 'nginx' || name === 'haproxy' ? await reloaded(stage, name, setups) : await byAds(stage, name, { setups, closers });
    await untilAnswerOf(peer.port, 100);
    running.set(name, { ...peer, at: 0 });
    peers.push({ name, port: peer.port, pid: peer.pid, stop: async () => {} });
  }
  const { results, failures } = await interleave(peers, settings, async ({ name }): Promise<Swap> => {
    const peer = running.get(name)!;
    peer.at = peer.at === 0 ? 1 : 0;
    const before = cpuSeconds(peer.pid);
    const startedMs = performance.now();
    peer.swapTo(peer.at);
    await untilAnswerOf(peer.port, peer.at === 0 ? 100 : 200);
    const seconds = (performance.now() - startedMs) / 1000;
    // What the change still costs after its effect is there.
    await new Promise((next) => setTimeout(next, 500));
    return { seconds, cpu: cpuSeconds(peer.pid) - before };
  });
  const of = (pick: (swap: Swap) => number) => ({
    results: new Map([...results].map(([name, swaps]) => [name, swaps.map(pick)])),
    failures,
  });
  rows.push(
    rowOf(
      { name: 'until the last cluster is in effect', unit: 'ms', better: 'less' },
      of((swap) => swap.seconds * 1000),
    ),
  );
  rows.push(
    rowOf(
      { name: 'CPU of the change', unit: 'ms', better: 'less' },
      of((swap) => swap.cpu * 1000),
    ),
  );
  for (const close of closers) await close();
});
publish({
  scenario: 'swap',
  method: `all endpoints of ${CLUSTERS} clusters replaced; Envoy and Lateen by state-of-the-world ADS from one server, nginx by SIGHUP, haproxy (master and worker) by SIGUSR2; ${settings.runs} changes after one to warm up, medians; the CPU of nginx's and haproxy's ended workers is not seen`,
  settings,
  rows,
});

async function reloaded(stage: Stage, name: 'nginx' | 'haproxy', setups: readonly Setup[]): Promise<Swappable> {
  const port = await freePort();
  // The same name for the file: a reload reads it again.
  const program = programOf(name, stage, { setup: setups[0]!, port });
  const args = name === 'haproxy' ? ['-W', ...program.args] : program.args;
  const child = stage.start(PROXY_CPU, { command: program.command, args });
  return {
    pid: child.pid as number,
    port,
    swapTo(upstream) {
      programOf(name, stage, { setup: setups[upstream]!, port });
      child.kill(name === 'nginx' ? 'SIGHUP' : 'SIGUSR2');
    },
  };
}

async function byAds(
  stage: Stage,
  name: 'envoy' | 'lateen',
  { setups, closers }: { setups: readonly Setup[]; closers: (() => Promise<void>)[] },
): Promise<Swappable> {
  let current = 0;
  let version = 1;
  const sets = setups.map((setup) => new Map([[CLUSTER_TYPE, clustersOf(setup)]]));
  const server = createAdsServer({ resources: () => sets[current]!, version: () => String(version) });
  const xdsPort = await server.listen({ host: '127.0.0.1', port: 0 });
  closers.push(async () => server.close());
  const port = await freePort();
  const bootstrap = stage.write(`${name}-swap.json`, JSON.stringify(dynamicBootstrapOf(setups[0]!, { port, xdsPort })));
  const child = stage.start(PROXY_CPU, name === 'envoy' ? envoyProgram(bootstrap) : lateenProgram(bootstrap));
  return {
    pid: child.pid as number,
    port,
    swapTo(upstream) {
      current = upstream;
      version++;
      server.push();
    },
  };
}

function clustersOf(setup: Setup): Map<string, EncodedResource> {
  const names = Array.from({ length: CLUSTERS }, (_, i) => `service-${i}.test`);
  return new Map(
    names.map((name) => [name, encodeResource(name, ClusterSchema, fromJson(ClusterSchema, clusterOf(name, setup) as JsonValue))]),
  );
}

/** Of the last cluster, by the length of its answer; at most 30 s. */
async function untilAnswerOf(port: number, length: number): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (performance.now() < deadline) {
    const answer = await httpRequest(`http://127.0.0.1:${port}/`, { headers: { host: LAST }, timeoutMs: 2000 }).catch(() => undefined);
    if (answer?.status === 200 && answer.body.length === length) return;
    await new Promise((next) => setTimeout(next, 2));
  }
  throw new Error('the change never came into effect');
}
