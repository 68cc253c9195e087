import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlockMemo } from './block-memo.ts';
import { HpackDecoder } from './hpack/decoder.ts';
import { FieldBlock } from './hpack/field-block.ts';

const fields = new FieldBlock();
const limits = { maxBytes: 1000, maxCount: 10 };

/** What a session does with a block: remembered, or decoded and noted. */
function read(memo: BlockMemo<string>, decoder: HpackDecoder, block: Buffer): { text: string; isRemembered: boolean } {
  const known = memo.get(block, 0, block.length, decoder);
  if (known !== undefined) return { text: known, isRemembered: true };
  decoder.decode(block, { start: 0, end: block.length }, fields, limits);
  const text = fields.bytes.toString('latin1', 0, fields.size);
  memo.set(block, { start: 0, end: block.length }, decoder, () => text);
  return { text, isRemembered: false };
}

/** Literal with a name of its own, added to the dynamic table. */
const adding = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.from([0x40, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);
/** The newest entry of the dynamic table. */
const NEWEST = Buffer.from([0x80 | 62]);

test('a block is remembered from the third time on, between others, too', () => {
  const memo = new BlockMemo<string>();
  const decoder = new HpackDecoder(4096);
  // "accept-encoding: gzip, deflate" and "user-agent" without a value, both from the static table.
  const blocks = [Buffer.from([0x80 | 16]), Buffer.from([0x80 | 58])];
  for (let i = 0; i < 2; i++) for (const block of blocks) assert.equal(read(memo, decoder, block).isRemembered, false);
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(read(memo, decoder, blocks[0] as Buffer), { text: 'accept-encoding: gzip, deflate\r\n', isRemembered: true });
    assert.deepEqual(read(memo, decoder, blocks[1] as Buffer), { text: 'user-agent: \r\n', isRemembered: true });
  }
});

test('the same bytes are decoded again when the table has changed, though they were the last that came', () => {
  const memo = new BlockMemo<string>();
  const decoder = new HpackDecoder(4096);
  read(memo, decoder, adding('a', '1'));
  for (let i = 0; i < 3; i++) assert.deepEqual(read(memo, decoder, NEWEST), { text: 'a: 1\r\n', isRemembered: i === 2 });
  read(memo, decoder, adding('b', '2'));
  // And it is remembered anew, in place of what it meant.
  for (let i = 0; i < 3; i++) assert.deepEqual(read(memo, decoder, NEWEST), { text: 'b: 2\r\n', isRemembered: i > 0 });
});
