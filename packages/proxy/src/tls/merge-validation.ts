// A combined validation context: what the configuration says, with what SDS sent laid over it, as protobuf merges messages.

import type { ValidationRuntime } from '../runtime/model.ts';

/** Single values of `dynamic` win where they are set; lists are joined. */
export function mergeValidation(fallback: ValidationRuntime | undefined, dynamic: ValidationRuntime): ValidationRuntime {
  if (!fallback) return dynamic;
  const hasRoots = dynamic.trustedCaPem !== '';
  return {
    trustedCaPem: hasRoots ? dynamic.trustedCaPem : fallback.trustedCaPem,
    trustedCaPath: hasRoots ? dynamic.trustedCaPath : fallback.trustedCaPath,
    systemRoots: dynamic.systemRoots || fallback.systemRoots,
    crlPem: dynamic.crlPem || fallback.crlPem,
    matchSubjectAltNames: [...fallback.matchSubjectAltNames, ...dynamic.matchSubjectAltNames],
    verifyCertificateSpki: [...fallback.verifyCertificateSpki, ...dynamic.verifyCertificateSpki],
    verifyCertificateHash: [...fallback.verifyCertificateHash, ...dynamic.verifyCertificateHash],
    trustDomains: dynamic.trustDomains.size > 0 ? dynamic.trustDomains : fallback.trustDomains,
    acceptUntrusted: dynamic.acceptUntrusted || fallback.acceptUntrusted,
    allowExpired: dynamic.allowExpired || fallback.allowExpired,
    maxVerifyDepth: dynamic.maxVerifyDepth ?? fallback.maxVerifyDepth,
  };
}
