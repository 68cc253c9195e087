import assert from 'node:assert/strict';
import test from 'node:test';
import { BlockMemo } from './block-memo.ts';
import { DECODED, HpackDecoder } from './hpack/decoder.ts';
import { writeField, writeInteger } from './hpack/encoder.ts';
import { FieldBlock } from './hpack/field-block.ts';
import { readRequest, readResponse, readTrailers } from './message-fields.ts';

type Fields = readonly (readonly [name: string, value: string])[];
const block = new FieldBlock();

/** Encodes without the checks of our encoder, then decodes. */
function decoded(list: Fields): FieldBlock {
  const out = Buffer.alloc(8192);
  let at = 0;
  for (const [name, value] of list) {
    out[at++] = 0;
    for (const text of [name, value]) {
      at = writeInteger(out, at, 0, { value: text.length, mask: 0x7f });
      at += out.write(text, at, 'latin1');
    }
  }
  assert.equal(new HpackDecoder(4096).decode(out, { start: 0, end: at }, block, { maxBytes: 60_000, maxCount: 100 }), DECODED);
  return block;
}

const GET: Fields = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/a?b'],
  [':authority', 'a.test'],
];
const without = (name: string): Fields => GET.filter(([one]) => one !== name);
const replaced = (name: string, value: string): Fields => GET.map(([one, old]) => [one, one === name ? value : old]);

const MALFORMED: readonly (readonly [what: string, fields: Fields])[] = [
  ['no :method', without(':method')],
  ['no :scheme', without(':scheme')],
  ['no :path', without(':path')],
  ['an empty :path', replaced(':path', '')],
  ['a path that is none', replaced(':path', 'a')],
  ['* for another method than OPTIONS', replaced(':path', '*')],
  ['a space in :path', replaced(':path', '/a b')],
  ['a control in :path', replaced(':path', '/a\x01')],
  ['bytes above ASCII in :path', replaced(':path', '/\xe4')],
  ['CR LF in :path', replaced(':path', '/ HTTP/1.1\r\nx: y')],
  ['a space in :method', replaced(':method', 'GET /')],
  ['an empty :method', replaced(':method', '')],
  ['another :scheme', replaced(':scheme', 'ftp')],
  ['a space in :authority', replaced(':authority', 'a b')],
  [':method twice', [[':method', 'GET'], ...GET]],
  [':authority twice', [[':authority', 'b'], ...GET]],
  [':status in a request', [[':status', '200'], ...GET]],
  ['an unknown pseudo header', [[':what', '1'], ...GET]],
  ['a pseudo header after a regular field', [...without(':path'), ['a', 'b'], [':path', '/']]],
  ['an upper-case name', [...GET, ['Accept', 'b']]],
  ['an empty name', [...GET, ['', 'b']]],
  ['a colon in a name', [...GET, ['a:b', 'c']]],
  ['a space in a name', [...GET, ['a ', 'c']]],
  ...Array.from({ length: 33 }, (_, code): [string, Fields] => [
    `the control ${code} in a name`,
    [...GET, [`a${String.fromCharCode(code)}b`, 'c']],
  ]),
  ['a line break in a name', [...GET, ['a\r\nb', 'c']]],
  ['CR in a value', [...GET, ['a', 'b\rc']]],
  ['LF in a value', [...GET, ['a', 'b\nc']]],
  ['NUL in a value', [...GET, ['a', 'b\0c']]],
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'].map((name): [string, Fields] => [
    name,
    [...GET, [name, 'chunked']],
  ]),
  ['te other than trailers', [...GET, ['te', 'gzip']]],
  ['a list as te', [...GET, ['te', 'trailers, deflate']]],
  ['white space after :path', replaced(':path', '/a ')],
  ['two hosts', [...without(':authority'), ['host', 'a'], ['host', 'a']]],
  ['two content-lengths', [...GET, ['content-length', '1'], ['content-length', '1']]],
  ['a signed content-length', [...GET, ['content-length', '+1']]],
  ['an empty content-length', [...GET, ['content-length', '']]],
  ['a huge content-length', [...GET, ['content-length', '9999999999999999']]],
  [
    'CONNECT with a path',
    [
      [':method', 'CONNECT'],
      [':authority', 'a:1'],
      [':path', '/'],
    ],
  ],
  ['CONNECT without authority', [[':method', 'CONNECT']]],
  [':protocol with GET', [...GET, [':protocol', 'websocket']].sort() as Fields],
];

for (const [what, list] of MALFORMED) {
  test(`a request with ${what} is malformed`, () => assert.equal(typeof readRequest(decoded(list), true), 'string'));
}

/** The head as HTTP/1.1 would write it. */
function headText(list: Fields, extendedConnect = true): string {
  const template = readRequest(decoded(list), extendedConnect);
  if (typeof template === 'string') return template;
  const out = Buffer.alloc(template.instantiate().maxSize() + 2);
  const head = template.instantiate();
  const lines = out.toString('latin1', 0, head.writeHeaders(out, 0, ''));
  return `${head.text(0, head.methodEnd)} ${head.text(head.targetStart, head.targetEnd)}\n${lines.replaceAll('\r\n', '\n')}`;
}

test('a request looks like one of HTTP/1.1', () => {
  assert.equal(headText([...GET, ['accept', '*/*'], ['x-a', '']]), 'GET /a?b\nhost: a.test\naccept: */*\nx-a: \n');
  assert.equal(headText([...GET, ['host', 'A.test'], ['b', 'c']]), 'GET /a?b\nhost: a.test\nb: c\n');
  // Nobody behind us sees another host than the one that we route by.
  assert.equal(headText([...GET, ['host', 'b.test'], ['b', 'c']]), 'GET /a?b\nhost: a.test\nb: c\n');
  assert.equal(headText([...GET, ['b', ' \tc d\t '], ['c', '  '], ['d', 'e']]), 'GET /a?b\nhost: a.test\nb: c d\nc: \nd: e\n');
  assert.equal(headText([...without(':authority'), ['b', 'c'], ['host', 'h']]), 'GET /a?b\nhost: h\nb: c\n');
  assert.equal(headText(without(':authority')), 'GET /a?b\n');
  assert.equal(headText([[':method', 'OPTIONS'], ...replaced(':path', '*').slice(1)]), 'OPTIONS *\nhost: a.test\n');
});

test('http2-settings, which no rule of HTTP/2 names, is a field like any other', () => {
  assert.equal(typeof readRequest(decoded([...GET, ['http2-settings', 'AAMAAABk']]), true), 'object');
});

test('crumbs of a cookie become one line', () => {
  assert.equal(
    headText([...GET, ['cookie', 'a=1'], ['cookie', ''], ['x', 'y'], ['cookie', 'b=2']]),
    'GET /a?b\nhost: a.test\nx: y\ncookie: a=1; b=2\n',
  );
});

test('extended CONNECT reads as GET with its protocol, where it is allowed', () => {
  const list: Fields = [[':method', 'CONNECT'], [':protocol', 'WebSocket'], ...GET.slice(1)];
  assert.equal(headText(list), 'GET /a?b\nhost: a.test\n');
  const template = readRequest(decoded(list), true);
  assert.equal(typeof template !== 'string' && template.protocol, 'websocket');
  assert.equal(typeof readRequest(decoded(list), false), 'string');
  assert.equal(
    headText([
      [':method', 'CONNECT'],
      [':authority', 'a:1'],
    ]),
    'CONNECT a:1\nhost: a:1\n',
  );
});

test('responses have a status and nothing else of the kind; trailers have none', () => {
  const status = (...list: Fields) => {
    const template = readResponse(decoded(list));
    return typeof template === 'string' ? 0 : template.status;
  };
  assert.equal(status([':status', '204'], ['a', 'b']), 204);
  for (const bad of ['20', '2000', 'abc', '099', '101', '+20']) assert.equal(status([':status', bad]), 0, bad);
  assert.equal(status(['a', 'b']), 0);
  assert.equal(status([':status', '200'], [':path', '/']), 0);
  assert.equal(status([':status', '200'], ['connection', 'close']), 0);
  assert.notEqual(typeof readTrailers(decoded([['grpc-status', '0']])), 'string');
  assert.equal(typeof readTrailers(decoded([[':status', '200']])), 'string');
  assert.equal(typeof readTrailers(decoded([['content-length', '1']])), 'string');
});

test('a memory of blocks never changes what they mean', () => {
  // A pseudo-random conversation, through a decoder with a memory and through one without.
  const remembering = new HpackDecoder(512);
  const plain = new HpackDecoder(512);
  const memo = new BlockMemo<string>();
  let seed = 7;
  const next = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return (seed >>> 8) % below;
  };
  const text = (): string => block.bytes.toString('latin1', 0, block.size);
  let hits = 0;
  for (let i = 0; i < 20_000; i++) {
    const out = Buffer.alloc(512);
    let at = 0;
    for (let n = 1 + next(3); n > 0; n--) {
      const kind = next(4);
      if (kind === 0) out[at++] = 0x82 + next(6);
      else if (kind === 1 && plain.table.count > 0) out[at++] = 0x80 | (62 + next(Math.min(plain.table.count, 3)));
      else {
        const start = at;
        at = writeField(out, at, `x-${next(3)}`, 'v'.repeat(next(4) * 20));
        if (kind === 2) out[start] = 0x40;
      }
    }
    const span = { start: 0, end: at };
    const limits = { maxBytes: 10_000, maxCount: 50 };
    assert.equal(plain.decode(out, span, block, limits), DECODED);
    const expected = text();
    const known = memo.get(out, 0, at, remembering);
    if (known === undefined) {
      assert.equal(remembering.decode(out, span, block, limits), DECODED);
      assert.equal(text(), expected);
      memo.set(out, span, remembering, () => expected);
    } else {
      hits++;
      assert.equal(known, expected);
    }
    assert.equal(remembering.table.sizeBytes, plain.table.sizeBytes);
    assert.equal(remembering.table.count, plain.table.count);
  }
  assert.ok(hits > 1000, `${hits} remembered`);
});
