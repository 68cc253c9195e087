// The proxy as a child process, for tests that measure or overload it. Takes the bootstrap from its parent, answers questions.

import { silentLogger } from '@lateen/base';
import { runProxy } from '@lateen/proxy';
import { parseBootstrap } from '@lateen/proxy/bootstrap';

export type ToChild = { kind: 'start'; bootstrap: string } | { kind: 'measure' } | { kind: 'fill'; heapBytes: number } | { kind: 'stop' };
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

/** Holds on to so much heap that this much is used. */
function fill(heapBytes: number): void {
  ballast.length = 0;
  while (process.memoryUsage().heapUsed < heapBytes) ballast.push(Array.from({ length: 10_000 }, (_, i) => ({ i })));
  say({ kind: 'filled' });
}

process.on('message', (message: ToChild) => {
  if (message.kind === 'start') start(message.bootstrap).catch((error: unknown) => say({ kind: 'failed', why: String(error) }));
  else if (message.kind === 'measure') measure();
  else if (message.kind === 'fill') fill(message.heapBytes);
  else running?.close().finally(() => process.exit(0));
});
