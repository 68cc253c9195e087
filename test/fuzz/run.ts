// Mutates the corpus of a target for a while, keeping what reaches new code. Usage: FUZZ_SECONDS=60 node test/fuzz/run.ts TARGET...
// (all without one). FUZZ_SEED repeats a run, FUZZ_KEEP=1 writes new finds into the corpus. What breaks a target is always written.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { loadCorpus, saveInput } from './corpus.ts';
import { startCoverage } from './coverage.ts';
import { createRandom, mutate } from './random.ts';
import { check, MAX_INPUT_BYTES, type Target } from './target.ts';
import { TARGETS } from './targets/index.ts';

const SECONDS = Number(process.env.FUZZ_SECONDS ?? 60);
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
const HANG_MS = 3000;
/** Inputs between two looks at coverage. */
const BATCH = 20;

/** What worker and main thread share: number of the input, its size, its bytes. */
const HEAD_BYTES = 8;
type Job = { name: string; shared: SharedArrayBuffer };
type Outcome = { runs: number; kept: number; broken: string | undefined };

function fuzz(target: Target, shared: SharedArrayBuffer): Outcome {
  const numbers = new Int32Array(shared, 0, 2);
  const room = Buffer.from(shared, HEAD_BYTES);
  const random = createRandom(SEED);
  const coverage = startCoverage();
  const corpus = loadCorpus(target).map(({ bytes }) => bytes);
  let runs = 0;
  let kept = 0;
  const run = (input: Buffer): string | undefined => {
    input.copy(room);
    numbers[1] = input.length;
    Atomics.add(numbers, 0, 1);
    runs++;
    try {
      check(target, input);
      return undefined;
    } catch (error) {
      return `${saveInput(target, input, 'crash-')}: ${error instanceof Error ? error.stack : String(error)}`;
    }
  };
  const startHeapBytes = heapBytes();
  const endMs = performance.now() + SECONDS * 1000;
  for (const input of corpus) {
    const broken = run(input);
    if (broken) return { runs, kept, broken };
  }
  coverage.takeNew();
  while (performance.now() < endMs) {
    const batch = Array.from({ length: BATCH }, () => mutate(random.pick(corpus), { corpus, tokens: target.tokens }, random));
    for (const input of batch) {
      const broken = run(input);
      if (broken) return { runs, kept, broken };
    }
    if (!coverage.takeNew()) continue;
    // Some input of the batch reached new code; all of them are kept for now, one is enough for the corpus on disk.
    corpus.push(...batch);
    kept += batch.length;
    if (process.env.FUZZ_KEEP === '1') saveInput(target, batch[0]!);
  }
  coverage.close();
  const grown = heapBytes() - startHeapBytes;
  const broken = grown > 64 * 2 ** 20 ? `the heap grew by ${Math.round(grown / 2 ** 20)} MiB in ${runs} inputs` : undefined;
  return { runs, kept, broken };
}

function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

/** Watches the worker: one input may not take longer than HANG_MS. */
function supervise(target: Target): Promise<Outcome> {
  const shared = new SharedArrayBuffer(HEAD_BYTES + MAX_INPUT_BYTES * 4);
  const numbers = new Int32Array(shared, 0, 2);
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { name: target.name, shared } satisfies Job,
  });
  return new Promise((resolve) => {
    let last = -1;
    const watch = setInterval(() => {
      const now = Atomics.load(numbers, 0);
      if (now !== last || now === 0) {
        last = now;
        return;
      }
      clearInterval(watch);
      const path = saveInput(target, Buffer.from(Buffer.from(shared, HEAD_BYTES, numbers[1])), 'hang-');
      void worker.terminate();
      resolve({ runs: now, kept: 0, broken: `${path}: no end after ${HANG_MS} ms` });
    }, HANG_MS);
    const end = (outcome: Outcome) => {
      clearInterval(watch);
      resolve(outcome);
    };
    worker.on('message', end);
    worker.on('error', (error) => end({ runs: 0, kept: 0, broken: String(error) }));
  });
}

if (isMainThread) {
  const names = process.argv.slice(2);
  for (const target of TARGETS.filter(({ name }) => names.length === 0 || names.includes(name))) {
    const { runs, kept, broken } = await supervise(target);
    console.log(`${target.name}: ${runs} inputs in ${SECONDS} s, ${kept} kept, seed ${SEED}${broken ? `\n  BROKEN ${broken}` : ''}`);
    if (broken) process.exitCode = 1;
  }
} else {
  // What the YAML parser thinks of odd input.
  process.removeAllListeners('warning');
  const { name, shared } = workerData as Job;
  parentPort?.postMessage(fuzz(TARGETS.find((one) => one.name === name)!, shared));
}
