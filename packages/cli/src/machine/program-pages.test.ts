import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'node:test';
import { programRanges } from './program-pages.ts';

const mapping = (line: string, anonymousKib: number) =>
  `${line}\nSize:                100 kB\nRss:                  80 kB\nAnonymous:            ${anonymousKib} kB\nVmFlags: rd mr mw me\n`;

test('only mappings of the program that hold nothing of the process are released', () => {
  const smaps = [
    mapping('00400000-0082e000 r--p 00000000 fe:00 5309607                            /opt/a node', 0),
    mapping('0082e000-03489000 r-xp 0042e000 fe:00 5309607                            /opt/a node', 0),
    mapping('072a7000-072dc000 r--p 06ea7000 fe:00 5309607                            /opt/a node', 24),
    mapping('072dc000-07308000 rw-p 06edc000 fe:00 5309607                            /opt/a node', 0),
    mapping('07400000-07500000 r--s 06edc000 fe:00 5309607                            /opt/a node', 0),
    mapping('7f0438a1e000-7f0438a44000 r--p 00000000 fe:00 326269                     /usr/lib/libc.so.6', 0),
    mapping('7f0438a44000-7f0438b44000 rw-p 00000000 00:00 0 ', 900),
  ].join('');
  assert.deepEqual(programRanges(smaps, '/opt/a node'), [
    { start: 0x400000n, sizeBytes: 0x42e000n },
    { start: 0x82e000n, sizeBytes: 0x2c5b000n },
  ]);
});

test('a process gives pages of its program back and goes on', { skip: process.platform !== 'linux' }, () => {
  const program = `
    const { releaseProgramPages } = await import(${JSON.stringify(join(import.meta.dirname, 'program-pages.ts'))});
    const { get } = await import('node:https');
    const before = process.memoryUsage.rss();
    releaseProgramPages();
    const after = process.memoryUsage.rss();
    console.log(JSON.stringify({ before, after, works: typeof get === 'function' && JSON.parse('[1]')[0] === 1 }));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
  const { before, after, works } = JSON.parse(stdout || '{}') as { before: number; after: number; works: boolean };
  assert.ok(works, stderr);
  assert.ok(after < before - 8 * 1024 * 1024, `${before} bytes before, ${after} after`);
});
