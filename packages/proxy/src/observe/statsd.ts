// Statistics told to a statsd or DogStatsD server over UDP, as Envoy's sinks tell them.

import type { Clock, SocketAddress, Timer, Transport } from '@lateen/base';
import { binsOf, type HistogramCounts } from './histogram.ts';
import { ENVOY_TAGS, type StatTags } from './stat-tags.ts';
import type { Stat } from './stats.ts';

export type StatsdSink = {
  readonly address: SocketAddress;
  readonly prefix: string;
  /** How much of a datagram is filled with several lines; 0: each line has its own. */
  readonly maxBytes: number;
  /** DogStatsD's: tags are told apart from names. */
  readonly withTags: boolean;
};

export type StatsdSettings = {
  readonly flushIntervalMs: number;
  readonly sinks: readonly StatsdSink[];
};

export const NO_STATSD: StatsdSettings = { flushIntervalMs: 5000, sinks: [] };

/** What changed since the last round; numbers that were never used are not told. */
export function createRounds(): (stats: readonly Stat[]) => readonly Change[] {
  const before = new Map<string, number>();
  const counted = new Map<string, Map<number, number>>();
  return (stats) =>
    stats.flatMap((stat): Change[] => {
      if (stat.type === 'text') return [];
      if (stat.counts) return histogramChanges(stat, stat.counts, counted);
      const last = before.get(stat.name);
      if (last === undefined && stat.value === 0) return [];
      before.set(stat.name, stat.value);
      if (stat.type === 'gauge') return [{ stat, value: `${stat.value}|g` }];
      // Counters that were reset begin again.
      const since = last === undefined || last > stat.value ? 0 : last;
      return [{ stat, value: `${stat.value - since}|c` }];
    });
}

type Change = { readonly stat: Stat; readonly value: string };

/**
 * Envoy sends a line for each value at the moment it is recorded. Here values are collected in bins, and a line says by its sample
 * rate how many it stands for: the same to a server, and the path of requests has no part in it.
 */
function histogramChanges(stat: Stat, counts: HistogramCounts, counted: Map<string, Map<number, number>>): Change[] {
  const last = counted.get(stat.name);
  counted.set(stat.name, new Map(counts));
  return binsOf(counts).flatMap(({ low, width, count }, i): Change[] => {
    const old = last?.get(counts[i]?.[0] ?? -1) ?? 0;
    const added = old > count ? count : count - old;
    if (added === 0) return [];
    const value = Math.round(low < 100 ? low : low + width / 2);
    return [{ stat, value: added === 1 ? `${value}|ms` : `${value}|ms|@${Number((1 / added).toPrecision(6))}` }];
  });
}

/** The datagrams of one round. */
export function datagramsOf(changes: readonly Change[], sink: StatsdSink, tags: StatTags = ENVOY_TAGS): readonly string[] {
  const datagrams: string[] = [];
  let filled = '';
  for (const { stat, value } of changes) {
    const line = lineOf(stat.name, value, sink, tags);
    const joined = filled === '' ? line : `${filled}\n${line}`;
    if (Buffer.byteLength(joined) <= sink.maxBytes) filled = joined;
    else {
      if (filled !== '') datagrams.push(filled);
      filled = line;
    }
  }
  if (filled !== '') datagrams.push(filled);
  return datagrams;
}

function lineOf(name: string, value: string, { prefix, withTags }: StatsdSink, tags: StatTags): string {
  if (!withTags) return `${prefix}.${name}:${value}`;
  const tagged = tags(name);
  const list = tagged.tags.map(([tag, text]) => `${tag}:${text}`).join(',');
  return `${prefix}.${tagged.stem}:${value}${list && `|#${list}`}`;
}

export type StatsdOptions = {
  readonly settings: StatsdSettings;
  readonly tags: StatTags | undefined;
  readonly transport: Pick<Transport, 'listenUdp'>;
  readonly clock: Pick<Clock, 'every'>;
  readonly collect: () => Promise<readonly Stat[]>;
};

/** Tells every sink until closed, and once more then. */
export async function startStatsd(options: StatsdOptions): Promise<{ close(): Promise<void> }> {
  const { settings, tags, transport, clock, collect } = options;
  const sinks = await Promise.all(
    settings.sinks.map(async (sink) => {
      const socket = await transport.listenUdp({ host: sink.address.host.includes(':') ? '::' : '0.0.0.0', port: 0 });
      socket.unref();
      return { sink, socket };
    }),
  );
  const round = createRounds();
  const flush = async () => {
    const changes = round(await collect());
    await Promise.all(
      sinks.flatMap(({ sink, socket }) =>
        datagramsOf(changes, sink, tags).map(
          (datagram) =>
            new Promise<void>((resolve) => {
              // Whoever does not listen misses it.
              socket.send(datagram, sink.address.port, sink.address.host, () => resolve());
            }),
        ),
      ),
    );
  };
  let running = Promise.resolve();
  const timer: Timer = clock.every(settings.flushIntervalMs, () => {
    running = running.then(flush).catch(() => {});
  });
  return {
    async close() {
      timer.cancel();
      await running.then(flush).catch(() => {});
      for (const { socket } of sinks) socket.close();
    },
  };
}
