import assert from 'node:assert/strict';
import test from 'node:test';
import { COMPRESSION_ERROR, DECODED, FIELDS_TOO_LARGE, HpackDecoder, TOO_MANY_FIELDS } from './decoder.ts';
import { FieldBlock } from './field-block.ts';
import { decodeHuffman, HUFFMAN_TOO_LONG } from './huffman.ts';
import { STATIC_COUNT, STATIC_FIELDS } from './static-fields.ts';

const LIMITS = { maxBytes: 60 * 1024, maxCount: 100 };
const block = new FieldBlock();

function decode(decoder: HpackDecoder, hex: string, limits = LIMITS) {
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  return decoder.decode(bytes, { start: 0, end: bytes.length }, block, limits);
}

const lines = (): string[] => block.bytes.toString('latin1', 0, block.size).split('\r\n').slice(0, -1);

test('the static table has its 61 entries', () => {
  assert.equal(STATIC_COUNT, 61);
  assert.deepEqual(STATIC_FIELDS[1], [':method', 'GET']);
  assert.deepEqual(STATIC_FIELDS[13], [':status', '500']);
  assert.deepEqual(STATIC_FIELDS[60], ['www-authenticate', '']);
});

const FIRST = [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'];
const SECOND = [...FIRST, 'cache-control: no-cache'];
const THIRD = [':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com', 'custom-key: custom-value'];
const AT_21 = 'date: Mon, 21 Oct 2013 20:13:21 GMT';
const AT_22 = 'date: Mon, 21 Oct 2013 20:13:22 GMT';
const PLACE = 'location: https://www.example.com';
const COOKIE = 'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';

// RFC 7541 appendix C: blocks of one connection, the lines of each, and the size of the table after it.
const SEQUENCES: readonly {
  name: string;
  tableBytes?: number;
  blocks: readonly (readonly [hex: string, lines: string[], size: number])[];
}[] = [
  {
    name: 'C.2.1 literal with indexing',
    blocks: [['400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', ['custom-key: custom-header'], 55]],
  },
  { name: 'C.2.2 literal without indexing', blocks: [['040c 2f73 616d 706c 652f 7061 7468', [':path: /sample/path'], 0]] },
  { name: 'C.2.3 never indexed', blocks: [['1008 7061 7373 776f 7264 0673 6563 7265 74', ['password: secret'], 0]] },
  { name: 'C.2.4 indexed', blocks: [['82', [':method: GET'], 0]] },
  {
    name: 'C.3 requests',
    blocks: [
      ['8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', FIRST, 57],
      ['8286 84be 5808 6e6f 2d63 6163 6865', SECOND, 110],
      ['8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65', THIRD, 164],
    ],
  },
  {
    name: 'C.4 requests, Huffman',
    blocks: [
      ['8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', FIRST, 57],
      ['8286 84be 5886 a8eb 1064 9cbf', SECOND, 110],
      ['8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf', THIRD, 164],
    ],
  },
  {
    name: 'C.5 responses, with eviction',
    tableBytes: 256,
    blocks: [
      [
        '4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        [':status: 302', 'cache-control: private', AT_21, PLACE],
        222,
      ],
      ['4803 3330 37c1 c0bf', [':status: 307', 'cache-control: private', AT_21, PLACE], 222],
      [
        '88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31',
        [':status: 200', 'cache-control: private', AT_22, PLACE, 'content-encoding: gzip', COOKIE],
        215,
      ],
    ],
  },
  {
    name: 'C.6 responses, Huffman, with eviction',
    tableBytes: 256,
    blocks: [
      [
        '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
        [':status: 302', 'cache-control: private', AT_21, PLACE],
        222,
      ],
      ['4883 640e ffc1 c0bf', [':status: 307', 'cache-control: private', AT_21, PLACE], 222],
      [
        '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
        [':status: 200', 'cache-control: private', AT_22, PLACE, 'content-encoding: gzip', COOKIE],
        215,
      ],
    ],
  },
];

for (const { name, tableBytes = 4096, blocks } of SEQUENCES) {
  test(`RFC 7541 ${name}`, () => {
    const decoder = new HpackDecoder(tableBytes);
    for (const [hex, expected, size] of blocks) {
      assert.equal(decode(decoder, hex), DECODED);
      assert.deepEqual(lines(), expected);
      assert.equal(decoder.table.sizeBytes, size);
    }
  });
}

const BROKEN: readonly (readonly [what: string, hex: string])[] = [
  ['index 0', '80'],
  ['an index beyond both tables', 'be'],
  ['a name index beyond both tables', '7e 01 61'],
  ['a string longer than the block', '4005 6162'],
  ['a block that ends in an integer', 'ff'],
  ['an integer beyond 32 bits', 'ff ff ff ff ff ff 7f'],
  ['a block that ends after the name', '4001 61'],
  ['EOS within a string', '4084 ffffffff 01 61'],
  ['padding with zeros', '0081 00 01 61'],
  ['padding of more than seven bits', '0082 1f ff 01 61'],
  ['a size update above the limit', '3f e2 1f'],
  ['a size update after a field', '82 20'],
];

for (const [what, hex] of BROKEN) {
  test(`${what} is a compression error`, () => assert.equal(decode(new HpackDecoder(4096), hex), COMPRESSION_ERROR));
}

// Every byte from 0 to 255 in Huffman code, base64.
const EVERY_BYTE =
  '/8f//Y///+L///4////k///+X///5v///n///+j//+r////z///6f///q////9///+v///7P///t///+7///7////w////H///8v////v///z////T///9f/' +
  '//2////f///+P///5////r///+1P4/n/r/yr8f6/r+/n/f0suwAImWm3HXn7n3//IP+/8/9Q3b1/BhxY8mXNn0adWvZt3b+HHl+c/3/3//w/+f/kX/9HGSQs' +
  's05unWimo9faxCbe/jz69//7/n/7/9////z//m//9L//n//6P//T//9T//1f//s//+t//9r//7f//3P//u///e///r//+////Z///b//6///4P//7v//w///' +
  'i///H//+T//uf/+x//+X//2f//zf//n///v//9r//u//9P//t//+5//+j//9P//e///V//7v//vf//4f/9///3///1///s//8H//h//+D//xf//t//+H//93' +
  '//7//+r//4v//j//+T//+H//y///N///H///g///4f/+v//j//8///8v//o///2f//8X///H///yf//97///v///8v//+P//+3//l//4///+b///wf//+H//' +
  '/n///8X//+X//k//8v///R///0////7///4////J///5f/+z///P//t//83//0//+f//0f//z//+r//6///93//+////T///X///q///p///1///+b///s//' +
  '/7f///P///6P///T///6v///X////3///s///9v///u///9////w///7vw==';

test('every byte can be read from Huffman code, and no more than asked for', () => {
  const coded = Buffer.from(EVERY_BYTE, 'base64');
  const out = Buffer.alloc(256);
  assert.equal(decodeHuffman(coded, { start: 0, end: coded.length }, out, { position: 0, limit: 256 }), 256);
  assert.deepEqual(out, Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)));
  assert.equal(decodeHuffman(coded, { start: 0, end: coded.length }, out, { position: 0, limit: 255 }), HUFFMAN_TOO_LONG);
});

test('limits count decoded bytes, and the table stays in step beyond them', () => {
  const decoder = new HpackDecoder(4096);
  const add = `4001 78 7f a1 1e ${'61'.repeat(4000)}`;
  assert.equal(decode(decoder, add), DECODED);
  assert.equal(decode(decoder, 'be'.repeat(200)), FIELDS_TOO_LARGE);
  assert.ok(block.size <= LIMITS.maxBytes + 4 * block.count);
  assert.equal(decode(decoder, '82'.repeat(101)), TOO_MANY_FIELDS);
  assert.equal(decode(decoder, `${'82'.repeat(101)}4001 79 01 7a`), TOO_MANY_FIELDS);
  assert.equal(decode(decoder, 'be'), DECODED);
  assert.deepEqual(lines(), ['y: z']);
});

test('a field larger than the table empties it, decoded or not', () => {
  for (const limits of [LIMITS, { maxBytes: 100, maxCount: 100 }]) {
    const decoder = new HpackDecoder(64);
    decode(decoder, '4001 78 01 79');
    assert.equal(decoder.table.count, 1);
    decode(decoder, `4001 78 7f 49 ${'61'.repeat(200)}`, limits);
    assert.equal(decoder.table.count, 0);
  }
});

test('thousands of insertions and evictions keep every entry readable', () => {
  const decoder = new HpackDecoder(4096);
  for (let i = 0; i < 5000; i++) {
    const value = `${i}`.padStart(1 + (i % 50), 'x');
    const bytes = Buffer.concat([Buffer.from([0x40, 1, 0x6b, value.length]), Buffer.from(value)]);
    assert.equal(decoder.decode(bytes, { start: 0, end: bytes.length }, block, LIMITS), DECODED);
    if (i % 97 === 0) {
      const { count } = decoder.table;
      const all = Buffer.from(Array.from({ length: Math.min(count, 60) }, (_, n) => 0x80 | (62 + n)));
      decoder.decode(all, { start: 0, end: all.length }, block, LIMITS);
      lines().forEach((line, n) => {
        assert.equal(line, `k: ${`${i - n}`.padStart(1 + ((i - n) % 50), 'x')}`);
      });
    }
  }
});
