import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cidrContains, parseCidr, parseIp } from './cidr.ts';

test('addresses parse to their bytes, and nothing else parses', () => {
  const cases: [text: string, expected: string | undefined][] = [
    ['10.0.0.255', '0a0000ff'],
    ['::', '0'.repeat(32)],
    ['::1', `${'0'.repeat(31)}1`],
    ['2001:db8::1:0', '20010db8000000000000000000010000'],
    ['::ffff:10.0.0.1', '00000000000000000000ffff0a000001'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['10.0.0.256', undefined],
    ['10.0.0.01', undefined],
    ['10.0.0', undefined],
    ['1:2:3:4:5:6:7:8:9', undefined],
    ['1:2:3:4:5:6:7::8', undefined],
    ['1::2::3', undefined],
    [':1:2', undefined],
    ['fe80::1%eth0', undefined],
    ['', undefined],
    ['a'.repeat(100), undefined],
  ];
  for (const [text, expected] of cases) {
    const bytes = parseIp(text);
    assert.equal(bytes === undefined ? undefined : Buffer.from(bytes).toString('hex'), expected, text);
  }
});

test('a prefix contains by its bits, and never across families', () => {
  const cases: [cidr: string, ip: string, contained: boolean][] = [
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.128.0.0/9', '10.127.0.1', false],
    ['0.0.0.0/0', '1.2.3.4', true],
    ['10.0.0.1', '10.0.0.1', true],
    ['10.0.0.1', '10.0.0.2', false],
    ['2001:db8::/33', '2001:db8:7fff::1', true],
    ['2001:db8::/33', '2001:db8:8000::1', false],
    ['0.0.0.0/0', '::1', false],
  ];
  for (const [text, ip, contained] of cases) {
    const cidr = parseCidr(text);
    assert.ok(cidr.ok, text);
    assert.equal(cidrContains(cidr.value, parseIp(ip) as Uint8Array), contained, `${text} ${ip}`);
  }
  for (const text of ['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/-1', '::/129', '/8', 'x/8']) assert.equal(parseCidr(text).ok, false, text);
});
