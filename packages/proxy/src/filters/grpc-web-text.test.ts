import assert from 'node:assert/strict';
import test from 'node:test';
import { Base64Decoder, GrpcTextEncoder } from './grpc-web-text.ts';

const frame = (payload: string) => Buffer.from(`\0\0\0\0${String.fromCharCode(payload.length)}${payload}`, 'latin1');

/** The pieces of `bytes` cut after every `size` bytes. */
function* cut(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function decode(text: string, size: number): string | undefined {
  const decoder = new Base64Decoder();
  let out = '';
  for (const piece of cut(Buffer.from(text, 'latin1'), size)) {
    const decoded = decoder.decode(piece);
    if (!decoded) return undefined;
    out += decoded.toString('latin1');
  }
  return decoder.isWithinQuantum ? `${out}...` : out;
}

for (const [name, text, expected] of [
  ['nothing', '', ''],
  ['whole quanta', 'AAAAAAFh', '\0\0\0\0\x01a'],
  ['every digit', 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', undefined],
  ['all bits', '////', '\xff\xff\xff'],
  ['one byte of padding', 'aGk=', 'hi'],
  ['two bytes of padding', 'aA==', 'h'],
  ['padded quanta within', 'aA==aGk=aGVs', 'hhihel'],
  ['an incomplete quantum', 'aGVsaG', 'hel...'],
] as const) {
  test(`base64: ${name} decodes however it is cut`, () => {
    const bytes = expected ?? Buffer.from(text, 'base64').toString('latin1');
    for (const size of [1, 2, 3, 5, 1000]) assert.equal(decode(text, size), bytes, `in pieces of ${size}`);
  });
}

for (const text of [
  'AAA*',
  '*',
  'AA-_',
  'AA A',
  'A\r\nA',
  'A===',
  '=AAA',
  '====',
  'A=AA',
  'AA=A',
  'AB==',
  'AAB=',
  '\0\0\0\0',
  '\xff',
  'aA==*',
]) {
  test(`base64: ${JSON.stringify(text)} is refused however it is cut, and so is what follows`, () => {
    for (const size of [1, 3, 1000]) assert.equal(decode(`${text}`, size), undefined, `in pieces of ${size}`);
    const decoder = new Base64Decoder();
    decoder.decode(Buffer.from(text, 'latin1'));
    assert.equal(decoder.decode(Buffer.from('AAAA')), undefined);
  });
}

test('what a piece decodes to has memory of its own', () => {
  const decoder = new Base64Decoder();
  const source = Buffer.from('aGVs');
  const decoded = decoder.decode(source);
  source.fill(0);
  assert.equal(decoded?.toString(), 'hel');
});

test('each message is encoded by itself, however the stream is cut', () => {
  const messages = [frame('hello'), frame(''), frame('you'), frame('x'.repeat(100)), frame('four')];
  const expected = messages.map((message) => message.toString('base64')).join('');
  for (const size of [1, 2, 3, 4, 7, 64, 1000]) {
    const encoder = new GrpcTextEncoder();
    let text = '';
    for (const piece of cut(Buffer.concat(messages), size)) text += encoder.encode(piece).toString('latin1');
    assert.equal(text, expected, `in pieces of ${size}`);
    assert.equal(encoder.finish(Buffer.from([0x80, 0, 0, 0, 0])).toString(), 'gAAAAAA=');
  }
});

test('a message goes out as it comes, all but less than a quantum', () => {
  const encoder = new GrpcTextEncoder();
  const whole = frame('x'.repeat(100));
  assert.equal(encoder.encode(whole.subarray(0, 50)).length, 64);
  assert.equal(encoder.finish(undefined).toString(), whole.subarray(48, 50).toString('base64'));
});
