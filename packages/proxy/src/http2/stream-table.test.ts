import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StreamTable } from './stream-table.ts';

type Stream = { readonly id: number };
const ids = (table: StreamTable<Stream>): number[] => table.all().map(({ id }) => id);

test('a stream is found by its id until it is deleted, and no other in its place', () => {
  const table = new StreamTable<Stream>();
  const stream = { id: 5 };
  table.add(stream);
  assert.equal(table.get(5), stream);
  for (const id of [1, 4, 5 + 16, 5 + 1024]) assert.equal(table.get(id), undefined);
  table.delete(5 + 16);
  assert.equal(table.size, 1);
  table.delete(5);
  table.delete(5);
  assert.deepEqual([table.get(5), table.size], [undefined, 0]);
});

test('streams that live long keep their names while thousands come and go', () => {
  const table = new StreamTable<Stream>();
  const open = new Map<number, Stream>();
  for (let id = 1; id < 20_000; id += 2) {
    const stream = { id };
    table.add(stream);
    open.set(id, stream);
    const ended = id - 2 * 40;
    if (ended > 0 && ended % 501 !== 0) {
      table.delete(ended);
      open.delete(ended);
    }
    assert.equal(table.size, open.size);
  }
  assert.ok(open.size > 40);
  assert.deepEqual(ids(table), [...open.keys()]);
  for (const [id, stream] of open) assert.equal(table.get(id), stream);
  for (let id = 1; id < 20_000; id += 2) if (!open.has(id)) assert.equal(table.get(id), undefined);
  for (const id of open.keys()) table.delete(id);
  assert.deepEqual([table.size, ids(table)], [0, []]);
});

test('more streams at once than there are places are all there, in the order of their ids, and gone when it is cleared', () => {
  const table = new StreamTable<Stream>();
  const expected = Array.from({ length: 2000 }, (_, i) => 2 * i + 1);
  for (const id of expected) table.add({ id });
  assert.deepEqual(ids(table), expected);
  table.clear();
  assert.deepEqual([table.size, ids(table), table.get(1), table.get(3999)], [0, [], undefined, undefined]);
});
