import assert from 'node:assert/strict';
import test from 'node:test';
import { type ProxyHeader, V2_SIGNATURE } from './header.ts';
import { parseProxyHeader } from './parse.ts';
import { writeProxyHeader } from './write.ts';

const BOTH = { v1: true, v2: true };
const parse = (bytes: Buffer | string) => parseProxyHeader(Buffer.from(bytes as string, 'latin1'), BOTH);

const v4: NonNullable<ProxyHeader['addresses']> = {
  source: { host: '192.0.2.1', port: 56324 },
  destination: { host: '198.51.100.7', port: 443 },
};
const v6: NonNullable<ProxyHeader['addresses']> = { source: { host: '2001:db8::1', port: 1 }, destination: { host: '::1', port: 65535 } };

const headers: ProxyHeader[] = [
  { version: 1, addresses: v4, tlvs: [] },
  { version: 1, addresses: v6, tlvs: [] },
  { version: 1, addresses: undefined, tlvs: [] },
  { version: 2, addresses: v4, tlvs: [] },
  {
    version: 2,
    addresses: v6,
    tlvs: [
      { type: 2, value: Buffer.from('a.test') },
      { type: 0xea, value: Buffer.alloc(0) },
    ],
  },
  { version: 2, addresses: undefined, tlvs: [] },
];

test('what is written is read back, cut anywhere, and what follows is not touched', () => {
  for (const header of headers) {
    const bytes = writeProxyHeader(header);
    assert.deepEqual(parse(Buffer.concat([bytes, Buffer.from('GET /')])), { kind: 'header', header, sizeBytes: bytes.length });
    for (let cut = 0; cut < bytes.length; cut++)
      assert.deepEqual(parse(bytes.subarray(0, cut)), { kind: 'more' }, `${header.version} at ${cut}`);
  }
});

test("the specification's example line is read", () => {
  const result = parse('PROXY TCP4 255.255.255.254 198.51.100.7 65535 443\r\n');
  assert.equal(result.kind === 'header' && result.header.addresses?.source.host, '255.255.255.254');
  assert.equal(parse('PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\nx').kind, 'header');
});

test('a v2 sender that speaks for itself is believed nothing about addresses', () => {
  const bytes = Buffer.concat([V2_SIGNATURE, Buffer.from([0x20, 0x11, 0, 4, 1, 2, 3, 4])]);
  assert.deepEqual(parse(bytes), { kind: 'header', header: { version: 2, addresses: undefined, tlvs: [] }, sizeBytes: 20 });
});

const v2 = (versionAndCommand: number, family: number, rest: number[], length = rest.length) =>
  Buffer.concat([V2_SIGNATURE, Buffer.from([versionAndCommand, family, length >> 8, length & 255, ...rest])]);
const ADDRESSES = [192, 0, 2, 1, 198, 51, 100, 7, 0, 1, 0, 2];

const malformed: [string, Buffer | string][] = [
  ['v1 without an end within 107 bytes', `PROXY TCP4 ${'1'.repeat(120)}`],
  ['v1 with an unknown family', 'PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n'],
  ['v1 with an own property of objects for a family', 'PROXY constructor 192.0.2.1 192.0.2.2 1 2\r\n'],
  ['v1 with a word too few', 'PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n'],
  ['v1 with a word too many', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n'],
  ['v1 with two spaces', 'PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n'],
  ['v1 with an address of the other family', 'PROXY TCP4 ::1 ::2 1 2\r\n'],
  ['v1 with mixed families', 'PROXY TCP6 ::1 192.0.2.2 1 2\r\n'],
  ['v1 with a leading zero in an address', 'PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n'],
  ['v1 with a name for an address', 'PROXY TCP4 localhost 192.0.2.2 1 2\r\n'],
  ['v1 with a port too large', 'PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n'],
  ['v1 with a negative port', 'PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n'],
  ['v1 with a multicast source', 'PROXY TCP4 224.0.0.1 192.0.2.2 1 2\r\n'],
  ['v1 with the address of nobody', 'PROXY TCP4 0.0.0.0 192.0.2.2 1 2\r\n'],
  ['v1 with a bare line feed', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\nGET / HTTP/1.1\r\n'],
  ['v2 of version 1', v2(0x11, 0x11, ADDRESSES)],
  ['v2 with an unknown command', v2(0x22, 0x11, ADDRESSES)],
  ['v2 of a unix socket', v2(0x21, 0x31, new Array<number>(216).fill(1))],
  ['v2 of an unknown family', v2(0x21, 0x01, ADDRESSES)],
  ['v2 of an unknown transport', v2(0x21, 0x13, ADDRESSES)],
  ['v2 shorter than its addresses', v2(0x21, 0x11, ADDRESSES.slice(0, 11))],
  ['v2 of IPv6 with the length of IPv4', v2(0x21, 0x21, ADDRESSES)],
  ['v2 with a broadcast destination', v2(0x21, 0x11, [192, 0, 2, 1, 255, 255, 255, 255, 0, 1, 0, 2])],
  ['v2 with a TLV of one byte', v2(0x21, 0x11, [...ADDRESSES, 4])],
  ['v2 with a TLV longer than the header', v2(0x21, 0x11, [...ADDRESSES, 4, 0, 2, 0])],
  ['v2 with a TLV of 65535 bytes', v2(0x21, 0x11, [...ADDRESSES, 4, 255, 255, 1, 2, 3])],
];
for (const [name, bytes] of malformed) test(`refused: ${name}`, () => assert.equal(parse(bytes).kind, 'error'));

test('anything else is no PROXY header, and a version that is not looked for is not one either', () => {
  for (const text of ['GET / HTTP/1.1\r\n', 'PROXX', 'proxy tcp4', '\r\n\r\nGET', '\x16\x03\x01'])
    assert.equal(parse(text).kind, 'none', text);
  const v1Bytes = writeProxyHeader(headers[0] as ProxyHeader);
  assert.equal(parseProxyHeader(v1Bytes, { v1: false, v2: true }).kind, 'none');
  assert.equal(parseProxyHeader(V2_SIGNATURE, { v1: true, v2: false }).kind, 'none');
});

test('a header with any byte changed is read, refused or waited for; it never throws and never reads past its length', () => {
  for (const header of headers) {
    const bytes = writeProxyHeader(header);
    for (let i = 0; i < bytes.length; i++) {
      for (const value of [0, 1, 0x20, 0x7f, 0xff]) {
        const changed = Buffer.concat([bytes, Buffer.from('rest')]);
        changed[i] = value;
        const result = parse(changed);
        if (result.kind === 'header') assert.ok(result.sizeBytes <= changed.length);
      }
    }
  }
});
