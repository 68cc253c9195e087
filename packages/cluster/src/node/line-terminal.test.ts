import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { createLineInput, createLineOutput } from './line-terminal.ts';

const cases: { name: string; keys: string; lines: string; shown: string; interrupts?: number }[] = [
  { name: 'a line', keys: 'ls -l\r', lines: 'ls -l\n', shown: 'ls -l\r\n' },
  { name: 'a corrected line', keys: 'lx\x7fs\r', lines: 'ls\n', shown: 'lx\b \bs\r\n' },
  { name: 'nothing to erase', keys: '\x7f\rx\r', lines: '\nx\n', shown: '\r\nx\r\n' },
  { name: 'an erased character of several bytes', keys: 'é\x7f\r', lines: '\n', shown: 'é\b \b\r\n' },
  { name: 'a discarded line', keys: 'abc\x15ok\r', lines: 'ok\n', shown: 'abc\b \b\b \b\b \bok\r\n' },
  { name: 'arrow keys', keys: 'a\x1b[A\x1b[1;5Cb\r', lines: 'ab\n', shown: 'ab\r\n' },
  { name: 'control-C', keys: 'sleep\x03\r', lines: '\n', shown: 'sleep^C\r\n\r\n', interrupts: 1 },
  { name: 'control-D ends, what follows is dropped', keys: 'x\r\x04y\r', lines: 'x\n', shown: 'x\r\n' },
];
for (const { name, keys, lines, shown, interrupts = 0 } of cases) {
  test(`typing: ${name}`, async () => {
    const echoed: Buffer[] = [];
    let interrupted = 0;
    const input = createLineInput({ echo: (bytes) => echoed.push(bytes), onInterrupt: () => interrupted++ });
    // Byte by byte, as it may come.
    for (const byte of Buffer.from(keys)) input.write(Buffer.from([byte]));
    input.end();
    assert.equal(await text(input), lines);
    assert.equal(Buffer.concat(echoed).toString(), shown);
    assert.equal(interrupted, interrupts);
  });
}

test('output gets carriage returns once', async () => {
  const output = createLineOutput();
  output.end('one\ntwo\r\né\n');
  assert.equal(await text(output), 'one\r\ntwo\r\né\r\n');
});
