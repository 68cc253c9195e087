// Envoy's TLS parameters as options of Node's createSecureContext.

import { constants } from 'node:crypto';
import { getCACertificates, type SecureContextOptions } from 'node:tls';
import type { CertificateSecret, CommonTls, ValidationRuntime } from '../runtime/model.ts';

// Cheapest first on processors with AES instructions; not configurable, as in Envoy.
const TLS13_SUITES = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];

export function contextOptions(
  tls: CommonTls,
  certificates: readonly CertificateSecret[],
  validation: ValidationRuntime | undefined,
): SecureContextOptions {
  // OpenSSL has the versions before 1.2 only at this level.
  const level = tls.minVersion === 'TLSv1' || tls.minVersion === 'TLSv1.1' ? ['@SECLEVEL=0'] : [];
  return {
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    ciphers: [...TLS13_SUITES, ...tls.cipherSuites, ...level].join(':'),
    ecdhCurve: groupsOf(tls.ecdhCurves),
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION,
    // An empty list, because without one Node loads its own roots.
    ca: rootsOf(validation),
    allowPartialTrustChain: true,
    ...(validation?.crlPem && { crl: validation.crlPem }),
    ...(tls.signatureAlgorithms.length > 0 && { sigalgs: tls.signatureAlgorithms.join(':') }),
    ...(certificates.length > 0 && {
      cert: certificates.map(({ chainPem }) => chainPem),
      key: certificates.map(({ keyPem, passphrase }) => (passphrase === '' ? { pem: keyPem } : { pem: keyPem, passphrase })),
    }),
  };
}

/**
 * OpenSSL's clients send the key of the first group only, and a server without a hybrid one costs them a round trip; those marked "*"
 * are all sent.
 */
function groupsOf(curves: readonly string[]): string {
  const [first, second] = curves;
  if (first !== HYBRID || second === undefined) return curves.join(':');
  return [`*${first}`, `*${second}`, ...curves.slice(2)].join(':');
}
const HYBRID = 'X25519MLKEM768';

function rootsOf(validation: ValidationRuntime | undefined): string[] {
  if (!validation || validation.trustDomains.size > 0) return [];
  if (validation.trustedCaPem !== '') return [validation.trustedCaPem];
  return validation.systemRoots ? getCACertificates('system') : [];
}
