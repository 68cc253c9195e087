// The common shape of the HTTP scenarios: one upstream, one setup, all peers, requests per CPU-second.

import { freePort } from '@lateen/base/testing';
import { interleave, perCpuSecond, type Settings } from './measure.ts';
import { nginxUpstream } from './nginx.ts';
import { type Peer, type RunningPeer, startPeer } from './peers.ts';
import { accepts } from './ready.ts';
import { type Row, rowOf } from './report.ts';
import type { Setup } from './setup.ts';
import { LOAD_CPU, type Stage } from './stage.ts';

/** nginx answering `bodyBytes` bytes; gives its port once it answers. */
export async function startUpstream(stage: Stage, options: Omit<Parameters<typeof nginxUpstream>[1], 'port'>): Promise<number> {
  const port = await freePort();
  stage.start(LOAD_CPU, nginxUpstream(stage, { port, ...options }));
  await untilAccepts(port);
  return port;
}

/** Waits at most 5 s. */
export async function untilAccepts(port: number): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await accepts(port)) return;
    await new Promise((next) => setTimeout(next, 25));
  }
  throw new Error(`nothing listens on ${port}`);
}

/** Starts every asked peer; stops those that stand when `use` has ended. */
export async function withPeers<T>(
  stage: Stage,
  options: { setup: Setup; settings: Settings; isReady: (port: number) => Promise<boolean> },
  use: (peers: readonly Peer[]) => Promise<T>,
): Promise<T> {
  const peers: Peer[] = [];
  try {
    for (const name of options.settings.peers) peers.push(await startPeer(name, stage, options));
    return await use(peers);
  } finally {
    await Promise.all(peers.map(async (peer) => ('port' in peer ? peer.stop() : undefined)));
  }
}

/** One row: what `load` counts (default unit requests) per CPU-second of each peer. */
export async function rowPerCpuSecond(
  name: string,
  {
    peers,
    settings,
    load,
    unit = 'requests',
  }: { peers: readonly Peer[]; settings: Settings; load: (peer: RunningPeer) => Promise<number>; unit?: string },
): Promise<Row> {
  const measured = await interleave(peers, settings, (peer) => perCpuSecond(peer, () => load(peer)));
  return rowOf({ name, unit: `${unit}/CPU-s`, better: 'more' }, measured);
}

/** The words that every method begins with. */
export function methodOf(settings: Settings, load: string): string {
  const { runs, seconds } = settings;
  return `${load}; ${runs} runs of ${seconds} s in turn after a warm-up, medians; proxy on CPU 0, load and upstream on CPU 1`;
}
