// What arrives before HTTP: PROXY headers, ClientHellos, certificates.

import assert from 'node:assert/strict';
import { createCertificateAuthority } from '@lateen/pki';
import { parseClientHello } from '../../../packages/proxy/src/listener/client-hello.ts';
import { parseProxyHeader } from '../../../packages/proxy/src/proxy-protocol/parse.ts';
import { writeProxyHeader } from '../../../packages/proxy/src/proxy-protocol/write.ts';
import { subjectAltNamesOf } from '../../../packages/proxy/src/tls/subject-alt-names.ts';
import type { Target } from '../target.ts';

const BOTH = { v1: true, v2: true };
const V2 = '\r\n\r\n\0\r\nQUIT\n';

export const proxyHeader: Target = {
  name: 'proxy-header',
  tokens: ['PROXY ', 'TCP4 ', 'TCP6 ', 'UNKNOWN', '\r\n', V2, '\x21\x11\0\x0c', '10.1.2.3 ', '::1 ', ' 65535', '\x04\xff\xff'],
  seeds: () =>
    [
      'PROXY TCP4 10.1.2.3 127.0.0.1 12345 80\r\nGET / HTTP/1.1\r\n\r\n',
      'PROXY TCP6 2001:db8::1 ::1 12345 80\r\n',
      'PROXY UNKNOWN\r\n',
      `${V2}\x21\x11\0\x11\x0a\x01\x02\x03\x7f\0\0\x01\x30\x39\0\x50\x04\0\x02ab`,
      `${V2}\x20\0\0\0`,
    ].map((text) => Buffer.from(text, 'latin1')),
  run(input) {
    const whole = parseProxyHeader(input, BOTH);
    for (const end of [input.length >> 1, input.length - 1]) {
      if (end < 0) continue;
      const part = parseProxyHeader(input.subarray(0, end), BOTH);
      if (part.kind !== 'more') assert.equal(part.kind, whole.kind);
    }
    if (whole.kind !== 'header') return undefined;
    assert.ok(whole.sizeBytes <= input.length);
    const again = parseProxyHeader(writeProxyHeader(whole.header), BOTH);
    assert.ok(again.kind === 'header');
    assert.deepEqual(again.header.addresses, whole.header.addresses);
    return undefined;
  },
};

const hello = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const RANDOM = '00'.repeat(32);
const EXTENSIONS = '0000 000b 0009 00 0006 612e74657374 0010 000e 000c 02 6832 08 687474702f312e31'.replaceAll(' ', '');
const BODY = `0303${RANDOM}00 0002 1301 01 00 ${(EXTENSIONS.length / 2).toString(16).padStart(4, '0')}${EXTENSIONS}`.replaceAll(' ', '');
const MESSAGE = `01${(BODY.length / 2).toString(16).padStart(6, '0')}${BODY}`;

export const clientHello: Target = {
  name: 'client-hello',
  tokens: ['\x16\x03\x01', '\0\0', '\xff\xff', 'a.test', '\x02h2', '\0\x10', '\x01\0\0'],
  seeds: () => [
    hello(`160301${(MESSAGE.length / 2).toString(16).padStart(4, '0')}${MESSAGE}`),
    // The message in two records.
    hello(`1603010020${MESSAGE.slice(0, 64)}160301${(MESSAGE.length / 2 - 32).toString(16).padStart(4, '0')}${MESSAGE.slice(64)}`),
  ],
  run(input) {
    const whole = parseClientHello(input);
    for (const end of [input.length >> 1, input.length - 1]) {
      if (end < 0) continue;
      const part = parseClientHello(input.subarray(0, end));
      if (part.kind !== 'more') assert.deepEqual(part, whole);
    }
    return whole.kind === 'hello' ? whole.hello.serverName.length : undefined;
  },
};

export const subjectAltNames: Target = {
  name: 'subject-alt-names',
  tokens: ['\x30\x82', '\x86', '\x82', '\xa0', '\x55\x1d\x11', '\x04', '\x30\x80', 'spiffe://', '\0'],
  seeds: () => {
    const ca = createCertificateAuthority();
    const der = (pem: string) => Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
    return [der(ca.issueServer(['a.test', '127.0.0.1']).certPem), der(ca.issueWorkload('spiffe://cluster.local/ns/a/sa/b').certPem)];
  },
  run(input) {
    const names = subjectAltNamesOf(input);
    if (!names.ok) return undefined;
    const { dns, uri, email } = names.value;
    for (const name of [...dns, ...uri, ...email]) assert.match(name, /^[ -~]*$/);
    return [...dns, ...uri, ...email].join('').length;
  },
};
