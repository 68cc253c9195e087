// A proxy in a process of its own whose heap is filled on command, for overload.process.test.ts.

import { getHeapStatistics } from 'node:v8';
import { delay, silentLogger, systemClock } from '@lateen/base';
import { runProxy } from '../../agent/run-proxy.ts';
import { bootstrapOf } from '../../testing/bootstrap.ts';
import { httpListener } from '../../testing/runtime.ts';
import { readHeap } from '../heap.ts';

const answer = { status: 200, body: { inline_string: 'ok' } };
const bootstrap = bootstrapOf({ listeners: [httpListener('front', [{ match: { prefix: '/' }, direct_response: answer }])] });
const running = await runProxy({ bootstrap, logger: silentLogger, appendLog() {} });
const { limitBytes } = readHeap(undefined)();
let ballast: number[][] = [];

// V8 gives a process up when collections near the limit follow each other too closely: it is filled slowly, as traffic would.
async function fill(fraction: number): Promise<void> {
  if (fraction === 0) ballast = [];
  const isFull = () => getHeapStatistics().used_heap_size >= fraction * limitBytes;
  do {
    while (!isFull()) ballast.push(new Array<number>(16_384).fill(1));
    await delay(systemClock, 500);
    globalThis.gc?.();
  } while (!isFull());
  process.send?.({ filled: fraction });
}

process.on('message', (fraction: number) => void fill(fraction));
process.on('disconnect', () => process.exit(0));
process.send?.({ port: running.proxy.addressOf('front')?.port, adminPort: running.adminAddress?.port });
