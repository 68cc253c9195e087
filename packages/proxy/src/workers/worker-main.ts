// The thread of one worker: a data plane of its own, fed with the configuration that the main thread accepted.

import { parentPort, workerData } from 'node:worker_threads';
import { fromBinary } from '@bufbuild/protobuf';
import { createLogger, messageOf, type Transport } from '@lateen/base';
import { BootstrapSchema } from '@lateen/xds/messages/admin';
import { createAdminHandler } from '../admin/admin.ts';
import { collectStats, NO_SERVER } from '../admin/collect-stats.ts';
import { readBootstrap } from '../ads/bootstrap.ts';
import { type RunningProxy, runProxy } from '../agent/run-proxy.ts';
import { createHostTransport } from '../io/host-transport.ts';
import type { FromWorker, ThreadSetup, ToWorker } from './messages.ts';
import { createSharedBreakers } from './shared-breaker.ts';
import { SharedCounts } from './shared-counts.ts';

const port = parentPort;
if (!port) throw new Error('worker-main runs as a worker thread only');
const setup = workerData as ThreadSetup;
const say = (message: FromWorker) => port.postMessage(message);

/** A port that cannot be shared stays with the main thread. */
function createSharingTransport(): Transport {
  const host = createHostTransport();
  return {
    ...host,
    listen: (options, onConnection) =>
      options.reusePort
        ? host.listen(options, onConnection)
        : Promise.resolve({ address: { host: options.host, port: options.port }, close: async () => {} }),
  };
}

async function serve(running: RunningProxy, message: ToWorker): Promise<void> {
  switch (message.kind) {
    case 'update': {
      const verdict = running.source.config.update(message.update);
      const applied = verdict.ok ? await running.applied() : verdict;
      return say({ kind: 'applied', number: message.number, error: applied.ok ? '' : applied.error.join('\n') });
    }
    case 'collect': {
      const { proxy, source } = running;
      // What describes the process is the main thread's to tell.
      const stats = collectStats(proxy, source.observer, { ...NO_SERVER, thread: setup.thread });
      const collected = { stats, exposition: source.exposeMetrics(), connectionCount: proxy.connectionCount };
      return say({ kind: 'collected', number: message.number, collected });
    }
    case 'command': {
      const { path, query } = message;
      await createAdminHandler(running.source)({
        method: 'POST',
        path,
        query: new URLSearchParams(query),
        headers: {},
        rawHeaders: [],
        remoteIp: '',
      });
      return;
    }
    case 'close':
      await running.close();
      port?.close();
  }
}

async function main(): Promise<void> {
  const running = await runProxy({
    bootstrap: readBootstrap(fromBinary(BootstrapSchema, setup.bootstrap), 'bootstrap'),
    logger: createLogger({ level: setup.logLevel }),
    appendLog: (path, text) => say({ kind: 'log', path, text }),
    transport: createSharingTransport(),
    drainMs: setup.drainMs,
    fed: setup.fed,
    environment: setup.environment,
    limitShare: 1 / setup.concurrency,
    createBreaker: createSharedBreakers(new SharedCounts(setup.sharedCounts, setup.thread)),
  });
  // One after the other: an update may depend on the one before.
  let turn: Promise<void> = Promise.resolve();
  port?.on('message', (message: ToWorker) => {
    turn = turn.then(() => serve(running, message));
  });
  say({ kind: 'applied', number: 0, error: '' });
}

main().catch((error: unknown) => say({ kind: 'applied', number: 0, error: messageOf(error) }));
