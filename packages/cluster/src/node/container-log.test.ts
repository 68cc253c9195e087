import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { createVirtualClock } from '@lateen/base/testing';
import type { LogOptions } from '../contracts.ts';
import { createContainerLog } from './container-log.ts';
import { readContainerLog } from './log-reader.ts';

const START = Date.parse('2026-01-02T03:04:05.000Z');
const PLAIN: LogOptions = {
  follow: false,
  previous: false,
  timestamps: false,
  tailLines: undefined,
  sinceSeconds: undefined,
  sinceTime: undefined,
  limitBytes: undefined,
};

function setUp(t: TestContext, maxBytes?: number) {
  const directory = mkdtempSync(join(tmpdir(), 'lateen-log-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const clock = createVirtualClock(START);
  const path = join(directory, 'app/0.log');
  const log = createContainerLog({ path, clock, ...(maxBytes !== undefined && { maxBytes }) });
  t.after(() => log.end());
  const read = (options: Partial<LogOptions> = {}, signal = new AbortController().signal) =>
    text(readContainerLog({ path, live: log }, { ...PLAIN, ...options }, { clock, signal }));
  return { clock, path, log, read };
}

test('lines are kept in CRI format, with parts of lines joined as they come', (t) => {
  const { log, path } = setUp(t);
  log.write('stdout', 'one\ntw');
  log.write('stderr', 'oops\n');
  log.write('stdout', 'o\n');
  log.write('stdout', 'no newline');
  log.end();
  const time = '2026-01-02T03:04:05.000000000Z';
  assert.equal(
    readFileSync(path, 'utf8'),
    `${time} stdout F one\n${time} stderr F oops\n${time} stdout F two\n${time} stdout F no newline\n`,
  );
});

test('a line too long for one entry is read back as one line', async (t) => {
  const { log, read } = setUp(t);
  const long = 'x'.repeat(40_000);
  log.write('stdout', `first\n${long}\nlast\n`);
  assert.equal(await read(), `first\n${long}\nlast\n`);
  assert.equal(await read({ tailLines: 2 }), `${long}\nlast\n`);
});

test('tail, since, timestamps and byte limit select', async (t) => {
  const { log, clock, read } = setUp(t);
  log.write('stdout', 'one\n');
  clock.advance(10_000);
  log.write('stdout', 'two\nthree\n');
  clock.advance(1000);
  assert.equal(await read({ tailLines: 1 }), 'three\n');
  assert.equal(await read({ tailLines: 0 }), '');
  assert.equal(await read({ sinceSeconds: 5 }), 'two\nthree\n');
  assert.equal(await read({ sinceTime: '2026-01-02T03:04:15Z' }), 'two\nthree\n');
  assert.equal(await read({ timestamps: true, tailLines: 1 }), '2026-01-02T03:04:15.000000000Z three\n');
  assert.equal(await read({ limitBytes: 5 }), 'one\nt');
});

test('following gives every line once, wherever the file turns over while it reads', async (t) => {
  // One turn-over: the older file is still there, however late the reader comes to it. Each round meets it at another point.
  for (let round = 0; round < 40; round++) {
    const { log, path, read } = setUp(t, 1500);
    log.write('stdout', 'before\n');
    const following = read({ follow: true });
    for (let i = 0; i < 50; i++) {
      if (i % (1 + (round % 8)) === 0) await new Promise((resolve) => setImmediate(resolve));
      log.write('stdout', `line ${i}\n`);
    }
    log.end();
    const lines = (await following).trimEnd().split('\n');
    assert.ok(!readFileSync(path, 'utf8').includes('before'), 'the file did not turn over');
    assert.deepEqual(lines, ['before', ...Array.from({ length: 50 }, (_, i) => `line ${i}`)], `round ${round}`);
  }
});

test('following ends when the reader goes away', async (t) => {
  const { log, read } = setUp(t);
  log.write('stdout', 'x\n');
  const reader = new AbortController();
  const following = read({ follow: true }, reader.signal);
  setTimeout(() => reader.abort(), 20);
  assert.equal(await following, 'x\n');
});

test('the log keeps at most two files of the cap', async (t) => {
  const { log, path, read } = setUp(t, 1000);
  for (let i = 0; i < 200; i++) log.write('stdout', `line ${i}\n`);
  assert.ok(readFileSync(path).length <= 1000);
  assert.ok((await read()).endsWith('line 199\n'));
});
