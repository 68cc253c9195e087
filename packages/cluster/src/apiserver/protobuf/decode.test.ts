import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeProtobuf } from './decode.ts';

// Field 1 and 2 with wire type 2; lengths below 128.
const field = (number: number, payload: Buffer): Buffer => Buffer.concat([Buffer.of((number << 3) | 2, payload.length), payload]);
const word = (number: number, text: string): Buffer => field(number, Buffer.from(text));
const envelope = (kind: string, raw: Buffer, apiVersion = 'v1'): Buffer =>
  Buffer.concat([Buffer.from('k8s\0'), field(1, Buffer.concat([word(1, apiVersion), word(2, kind)])), field(2, raw)]);

describe('protobuf bodies', () => {
  it('are read by the table, without zero values', () => {
    const entry = Buffer.concat([word(1, 'key'), word(2, 'value')]);
    const metadata = Buffer.concat([word(1, 'name'), word(2, ''), Buffer.of(7 << 3, 0)]);
    assert.deepEqual(decodeProtobuf(envelope('ConfigMap', Buffer.concat([field(1, metadata), field(2, entry)]))), {
      ok: true,
      value: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'name' }, data: { key: 'value' } },
    });
  });

  const hostile: { name: string; body: Buffer; error: RegExp }[] = [
    { name: 'without the magic bytes', body: Buffer.from('{}'), error: /magic bytes/ },
    { name: 'of an unknown kind', body: envelope('Nope', Buffer.alloc(0)), error: /not supported for Nope/ },
    { name: 'of a kind named like a property of objects', body: envelope('constructor', Buffer.alloc(0)), error: /not supported/ },
    { name: 'cut off', body: envelope('ConfigMap', field(1, Buffer.from('abc'))).subarray(0, -2), error: /ends within a field/ },
    { name: 'with a length beyond the end', body: envelope('ConfigMap', Buffer.of(0x0a, 0x7f)), error: /ends within a field/ },
    { name: 'with an endless number', body: envelope('ConfigMap', Buffer.alloc(30, 0xff)), error: /too long/ },
  ];
  for (const { name, body, error } of hostile) {
    it(`${name} are refused`, () => {
      const result = decodeProtobuf(body);
      assert.match(result.ok ? 'accepted' : result.error, error);
    });
  }
});
