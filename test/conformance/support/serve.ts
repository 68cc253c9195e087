// The proxy as a child process, for tests that measure or overload it. Takes the bootstrap from its parent, answers questions.

import { getHeapStatistics } from 'node:v8';
import { silentLogger } from '@lateen/base';
import { runProxy } from '@lateen/proxy';
import { parseBootstrap } from '@lateen/proxy/bootstrap';

export type ToChild = { kind: 'start'; bootstrap: string } | { kind: 'measure' } | { kind: 'fill'; share: number } | { kind: 'stop' };
export type Measured = {
  kind: 'measured';
  rssBytes: number;
  heapBytes: number;
  externalBytes: number;
  connections: number;
  /** Requests to the cluster "up" since the start, and those under way. */
  upstreamRequests: number;
  upstreamActive: number;
  handles: number;
};
export type FromChild =
  | { kind: 'started'; ports: Record<string, number> }
  | { kind: 'failed'; why: string }
  | Measured
  | { kind: 'filled' };

const say = (message: FromChild): void => void process.send?.(message);
const YOUNG_BYTES = 96 * 2 ** 20;
const ballast: unknown[] = [];
let running: Awaited<ReturnType<typeof runProxy>> | undefined;

async function start(text: string): Promise<void> {
  const bootstrap = parseBootstrap(text, 'test');
  running = await runProxy({ bootstrap, logger: silentLogger, appendLog() {}, drainMs: 100 });
  const ports: Record<string, number> = {};
  for (const { runtime } of running.proxy.listeners()) ports[runtime.name] = running.proxy.addressOf(runtime.name)?.port ?? 0;
  say({ kind: 'started', ports });
}

function measure(): void {
  globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  const up = running?.proxy.clusters().find(({ runtime }) => runtime.name === 'up');
  say({
    kind: 'measured',
    rssBytes: rss,
    heapBytes: heapUsed,
    externalBytes: external,
    connections: running?.proxy.connectionCount ?? 0,
    upstreamRequests: up?.stats.upstream_rq_total ?? 0,
    upstreamActive: up?.stats.upstream_rq_active ?? 0,
    handles: process.getActiveResourcesInfo().filter((name) => name.includes('Socket') || name.includes('TCP')).length,
  });
}

/** Holds on to so much heap that this share of V8's limit is used; 0 lets go. */
function fill(share: number): void {
  ballast.length = 0;
  globalThis.gc?.();
  // V8 counts its young generation into the limit and dies when the old one is full.
  const goal = share * (getHeapStatistics().heap_size_limit - YOUNG_BYTES);
  // A mebibyte at a time, which makes no garbage.
  while (getHeapStatistics().used_heap_size < goal) ballast.push(new Array(131_072).fill(0.5));
  say({ kind: 'filled' });
}

process.on('message', (message: ToChild) => {
  if (message.kind === 'start') start(message.bootstrap).catch((error: unknown) => say({ kind: 'failed', why: String(error) }));
  else if (message.kind === 'measure') measure();
  else if (message.kind === 'fill') fill(message.share);
  else void running?.close().finally(() => process.exit(0));
});
