// The other threads of a proxy with `concurrency` above 1. The main thread serves too; each thread binds the same ports
// (SO_REUSEPORT), and the kernel spreads the connections. Circuit breakers count together (`shared-breaker.ts`); pools, outlier and
// health state are each thread's own.

import { Worker } from 'node:worker_threads';
import { type Clock, CodedError, createBackoff, type Logger, messageOf } from '@lateen/base';
import type { ResourceUpdate } from '@lateen/xds/client';
import type { Collected, FromWorker, ThreadSetup, ToWorker, WorkerSetup } from './messages.ts';
import type { SharedCounts } from './shared-counts.ts';

export type WorkerPoolOptions = {
  /** Threads besides the main one. */
  readonly size: number;
  readonly setup: WorkerSetup;
  /** The main thread's view of the counts of `setup`. */
  readonly counts: SharedCounts;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly appendLog: (path: string, text: string) => void;
  /** The updates that make up the configuration now, for a thread that starts again. */
  readonly currentUpdates: () => readonly ResourceUpdate[];
};

export type WorkerPool = {
  /** Resolves when every thread serves the update; rejects with what each thread could not. */
  update(update: ResourceUpdate): Promise<void>;
  /** The numbers of every thread that answers. */
  collect(): Promise<readonly Collected[]>;
  /** Has every thread execute a command of the admin interface. */
  command(path: string, query: URLSearchParams): void;
  /** Of every thread, at the last `collect`. */
  readonly connectionCount: number;
  close(): Promise<void>;
};

type Thread = {
  worker: Worker;
  /** By number: who waits for an answer. */
  waiting: Map<number, { resolve(message: FromWorker): void; reject(error: Error): void }>;
  ended: Promise<void>;
};

/** Starts the threads; resolves when all serve the static resources. The caller closes the pool. @throws CodedError LAT4010 */
export async function startWorkerPool(options: WorkerPoolOptions): Promise<WorkerPool> {
  const { clock, logger, counts } = options;
  const backoff = createBackoff({ baseMs: 100, maxMs: 30_000 });
  const threads = new Set<Thread>();
  let closing = false;
  let lastNumber = 0;
  let connectionCount = 0;

  const ask = (thread: Thread, message: ToWorker & { number: number }): Promise<FromWorker> =>
    new Promise((resolve, reject) => {
      thread.waiting.set(message.number, { resolve, reject });
      thread.worker.postMessage(message);
    });
  const apply = async (thread: Thread, update: ResourceUpdate) => {
    const answer = await ask(thread, { kind: 'update', number: ++lastNumber, update });
    if (answer.kind === 'applied' && answer.error !== '') throw new Error(answer.error);
  };

  const start = (number: number): { thread: Thread; serving: Promise<FromWorker> } => {
    const worker = new Worker(new URL('./worker-main.ts', import.meta.url), {
      workerData: { ...options.setup, thread: number } satisfies ThreadSetup,
    });
    const waiting: Thread['waiting'] = new Map();
    const serving = new Promise<FromWorker>((resolve, reject) => waiting.set(0, { resolve, reject }));
    const ended = Promise.withResolvers<void>();
    const thread: Thread = { worker, waiting, ended: ended.promise };
    threads.add(thread);
    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'log') return options.appendLog(message.path, message.text);
      const waiter = waiting.get(message.number);
      waiting.delete(message.number);
      waiter?.resolve(message);
    });
    worker.on('error', (error) => logger.error('a worker thread failed', { error: messageOf(error) }));
    worker.on('exit', () => {
      threads.delete(thread);
      counts.forget(number);
      for (const waiter of waiting.values()) waiter.reject(new Error('the worker thread ended'));
      ended.resolve();
      if (!closing) clock.after(backoff.next(), () => void restart(number), { background: true });
    });
    return { thread, serving };
  };

  // A fault that ended one thread must not shrink the proxy for good; the others serve meanwhile.
  const restart = async (number: number) => {
    if (closing) return;
    try {
      const { thread, serving } = start(number);
      await serving;
      for (const update of options.currentUpdates()) await apply(thread, update);
      backoff.reset();
      logger.warn('a worker thread was started again');
    } catch (error) {
      logger.error('a worker thread cannot be started again', { error: messageOf(error) });
    }
  };

  const pool: WorkerPool = {
    async update(update) {
      const results = await Promise.allSettled([...threads].map((thread) => apply(thread, update)));
      const reasons = results.flatMap((result) => (result.status === 'rejected' ? [messageOf(result.reason)] : []));
      if (reasons.length > 0) throw new Error([...new Set(reasons)].join('; '));
    },
    async collect() {
      const answers = await Promise.allSettled([...threads].map((thread) => ask(thread, { kind: 'collect', number: ++lastNumber })));
      const all = answers.flatMap((one) => (one.status === 'fulfilled' && one.value.kind === 'collected' ? [one.value.collected] : []));
      connectionCount = all.reduce((sum, one) => sum + one.connectionCount, 0);
      return all;
    },
    command(path, query) {
      for (const { worker } of threads) worker.postMessage({ kind: 'command', path, query: query.toString() } satisfies ToWorker);
    },
    get connectionCount() {
      return connectionCount;
    },
    async close() {
      closing = true;
      const all = [...threads];
      for (const { worker } of all) worker.postMessage({ kind: 'close' } satisfies ToWorker);
      await Promise.all(all.map(({ ended }) => ended));
    },
  };
  const first = await Promise.allSettled(Array.from({ length: options.size }, (_, i) => start(i + 1).serving));
  const reasons = first.flatMap((result) => {
    if (result.status === 'rejected') return [messageOf(result.reason)];
    return result.value.kind === 'applied' && result.value.error !== '' ? [result.value.error] : [];
  });
  if (reasons.length > 0) {
    await pool.close();
    throw new CodedError({ code: 'LAT4010', what: 'worker threads cannot serve', why: [...new Set(reasons)].join('; ') });
  }
  return pool;
}
