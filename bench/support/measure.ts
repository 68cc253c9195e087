// Interleaved runs: every peer in turn, then again, so that what else the machine does meets all alike.

import { parseArgs } from 'node:util';
import { cpuSeconds } from './cpu.ts';
import { PEERS, type Peer, type PeerName, type RunningPeer } from './peers.ts';

export type Settings = {
  quick: boolean;
  warmUps: number;
  runs: number;
  seconds: number;
  peers: readonly PeerName[];
  only: string | undefined;
};

/** `--quick`: one warm-up and three runs of 1 s. `--peers nginx,lateen`. `--only TEXT`: rows whose name holds it. */
export function settingsFromArguments(): Settings {
  const { values } = parseArgs({
    options: { quick: { type: 'boolean', default: false }, peers: { type: 'string' }, only: { type: 'string' } },
    allowPositionals: true,
  });
  const asked = values.peers?.split(',');
  const unknown = asked?.filter((name) => !(PEERS as readonly string[]).includes(name));
  if (unknown?.length) throw new Error(`no peer ${unknown.join()}; there are: ${PEERS.join(', ')}`);
  const peers = PEERS.filter((name) => asked?.includes(name) ?? true);
  return { quick: values.quick, warmUps: 1, runs: values.quick ? 3 : 5, seconds: values.quick ? 1 : 3, peers, only: values.only };
}

/** What `measure` gave for each running peer, run by run; a peer that fails is left out of later runs and has its reason in `failures`. */
export async function interleave<T>(
  peers: readonly Peer[],
  { warmUps, runs }: Pick<Settings, 'warmUps' | 'runs'>,
  measure: (peer: RunningPeer) => Promise<T>,
): Promise<{ results: Map<PeerName, T[]>; failures: Map<PeerName, string> }> {
  const results = new Map<PeerName, T[]>();
  const failures = new Map<PeerName, string>();
  for (const peer of peers) if (!('port' in peer)) failures.set(peer.name, peer.missing);
  for (let run = -warmUps; run < runs; run++) {
    for (const peer of peers) {
      if (!('port' in peer) || failures.has(peer.name)) continue;
      try {
        const result = await measure(peer);
        if (run >= 0) results.set(peer.name, [...(results.get(peer.name) ?? []), result]);
      } catch (error) {
        results.delete(peer.name);
        failures.set(peer.name, `failed: ${(error as Error).message.trim().split('\n').slice(0, 3).join(' ')}`);
      }
    }
  }
  return { results, failures };
}

/** How many of what `load` counts a peer did per second of its CPU time (user and system, all threads). */
export async function perCpuSecond(peer: RunningPeer, load: () => Promise<number>): Promise<number> {
  const before = cpuSeconds(peer.pid);
  const count = await load();
  return count / Math.max(0.01, cpuSeconds(peer.pid) - before);
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Of a sorted list, e.g. `percentile(values, 99)`. */
export function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN;
}
