// What logs, headers and policies may ask of a certificate.

import { createHash, type X509Certificate } from 'node:crypto';
import { formatPem } from '@lateen/pki';
import type { CertificateFacts } from '../io/tls-facts.ts';
import { subjectAltNamesOf } from './subject-alt-names.ts';

/** Facts of the first certificate of a chain; what costs to make is made when asked. */
export function certificateFacts(chain: readonly X509Certificate[]): CertificateFacts | undefined {
  const leaf = chain[0];
  if (!leaf) return undefined;
  const names = subjectAltNamesOf(leaf.raw);
  const fingerprint = (algorithm: string) => createHash(algorithm).update(leaf.raw).digest('hex');
  const pem = (certificates: readonly X509Certificate[]) => certificates.map((one) => formatPem('CERTIFICATE', one.raw)).join('');
  return {
    get subject() {
      return rfc2253(leaf.subject);
    },
    get issuer() {
      return rfc2253(leaf.issuer);
    },
    get serialNumber() {
      return leaf.serialNumber.toLowerCase();
    },
    uriSans: names.ok ? names.value.uri : [],
    dnsSans: names.ok ? names.value.dns : [],
    ipSans: names.ok ? names.value.ip : [],
    emailSans: names.ok ? names.value.email : [],
    get fingerprint256() {
      return fingerprint('sha256');
    },
    get fingerprint1() {
      return fingerprint('sha1');
    },
    get validFromMs() {
      return Date.parse(leaf.validFrom);
    },
    get validToMs() {
      return Date.parse(leaf.validTo);
    },
    pem: () => pem([leaf]),
    chainPem: () => pem(chain),
  };
}

/** Node writes one attribute per line, values escaped, the most significant first; RFC 2253 wants the reverse, in ASCII. */
function rfc2253(name: string | undefined): string {
  const text = (name ?? '').split('\n').reverse().join(',');
  return text.replace(/[^\x20-\x7e]/gu, (char) =>
    [...Buffer.from(char)].map((byte) => `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

/** The chain that a peer sent, leaf first. A resumed session has the leaf only. */
export function chainOf(leaf: X509Certificate | undefined): X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (let next = leaf; next && chain.length < MAX_CHAIN; next = next.issuerCertificate) {
    if (chain.some((one) => one.raw.equals((next as X509Certificate).raw))) break;
    chain.push(next);
  }
  return chain;
}
const MAX_CHAIN = 20;
