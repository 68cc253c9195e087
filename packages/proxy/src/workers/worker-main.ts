// The thread of one worker: a data plane of its own, fed with the configuration that the main thread accepted.

import { parentPort, workerData } from 'node:worker_threads';
import { fromBinary } from '@bufbuild/protobuf';
import { createLogger, createMetricRegistry, messageOf, systemClock } from '@lateen/base';
import { ClusterSchema, ListenerSchema } from '@lateen/xds/messages/proxy';
import { collectStats, NO_SERVER } from '../admin/collect-stats.ts';
import { createLiveConfig } from '../ads/live-config.ts';
import { createLogSinks } from '../observe/access-log.ts';
import { createObserver } from '../observe/observer.ts';
import { createProxy } from '../proxy.ts';
import type { FromWorker, ToWorker, WorkerSetup } from './messages.ts';

const port = parentPort;
if (!port) throw new Error('worker-main runs as a worker thread only');
const setup = workerData as WorkerSetup;
const say = (message: FromWorker) => port.postMessage(message);
const clock = systemClock;
const logger = createLogger({ level: setup.logLevel, clock });
const registry = createMetricRegistry();
const sinks = createLogSinks({ append: (path, text) => say({ kind: 'log', path, text }), clock, logger });
const observer = createObserver({ registry, node: setup.node, clock, random: Math.random, sinks });
const proxy = createProxy({
  clock,
  logger,
  node: setup.node,
  observer,
  ...(setup.drainMs === undefined ? {} : { drainMs: setup.drainMs }),
});
let lastApply: Promise<void> = Promise.resolve();
const config = createLiveConfig({
  now: () => clock.now(),
  onRuntime(runtime) {
    lastApply = proxy.apply(runtime);
    lastApply.catch(() => {});
  },
});

/** Tells the main thread when what was just taken is served. */
async function report(number: number, refused: readonly string[]): Promise<void> {
  const failure = await lastApply.then(
    () => '',
    (error: unknown) => messageOf(error),
  );
  say({ kind: 'applied', number, error: refused.length > 0 ? refused.join('\n') : failure });
}

port.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'update': {
      const verdict = config.update(message.update);
      void report(message.number, verdict.ok ? [] : verdict.error);
      return;
    }
    case 'collect': {
      // What describes the process is the main thread's to tell.
      const stats = collectStats(proxy, observer, NO_SERVER);
      const collected = { stats, exposition: registry.expose(), connectionCount: proxy.connectionCount };
      return say({ kind: 'collected', number: message.number, collected });
    }
    case 'drain':
      return proxy.drain();
    case 'close':
      void close();
  }
});

async function close(): Promise<void> {
  await proxy.close();
  observer.close();
  sinks.close();
  port?.close();
}

const added = config.addStatic({
  clusters: setup.clusters.map((bytes) => fromBinary(ClusterSchema, bytes)),
  listeners: setup.listeners.map((bytes) => fromBinary(ListenerSchema, bytes)),
});
void report(0, added.ok ? [] : added.error);
