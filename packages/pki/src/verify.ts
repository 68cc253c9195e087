// Verification of a peer's chain outside a TLS handshake (inside one, OpenSSL does it): signatures, validity, CA flags, path
// length, usages, and the one SPIFFE identity that a workload certificate must carry.

import type { X509Certificate } from 'node:crypto';
import { fail, ok, type Result } from '@lateen/base';
import type { ExtendedKeyUsage } from './certificate-writer.ts';
import { parseSpiffeId } from './spiffe.ts';
import { x509 } from './x509.ts';

export type VerifyOptions = {
  /** The peer's chain, leaf first. */
  chain: readonly X509Certificate[];
  roots: readonly X509Certificate[];
  /** Milliseconds since the epoch; undefined: expired certificates, and those of the future, are as good as others. */
  nowMs: number | undefined;
  /** What the leaf is used for; default: not checked. */
  usage?: ExtendedKeyUsage;
};

const MAX_CHAIN_LENGTH = 10;
const CRITICAL_KNOWN = new Set(['2.5.29.15', '2.5.29.17', '2.5.29.19', '2.5.29.37', '2.5.29.14', '2.5.29.35']);
const USAGE_OIDS = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' };

/** Whether the leaf leads to a root. The error says which certificate fails and why. */
export function verifyChain({ chain, roots, nowMs, usage }: VerifyOptions): Result<{ leaf: X509Certificate }> {
  const leaf = chain[0];
  if (!leaf) return fail('the peer sent no certificate');
  if (chain.length > MAX_CHAIN_LENGTH) return fail(`the chain has more than ${MAX_CHAIN_LENGTH} certificates`);
  try {
    const leafProblem = leafReason(leaf, usage);
    if (leafProblem) return fail(leafProblem);
    return climb({ chain, roots, nowMs });
  } catch {
    return fail('a certificate of the chain cannot be read');
  }
}

function leafReason(leaf: X509Certificate, usage: ExtendedKeyUsage | undefined): string | undefined {
  if (leaf.ca) return 'the leaf is a CA certificate';
  const { ExtendedKeyUsageExtension, KeyUsageFlags, KeyUsagesExtension, X509Certificate: ParsedCertificate } = x509();
  const parsed = new ParsedCertificate(leaf.raw);
  if (((parsed.getExtension(KeyUsagesExtension)?.usages ?? 0) & KeyUsageFlags.keyCertSign) !== 0) return 'the leaf may sign certificates';
  const purposes = parsed.getExtension(ExtendedKeyUsageExtension)?.usages;
  if (usage && purposes && !purposes.includes(USAGE_OIDS[usage])) return `the leaf may not be used as a ${usage}`;
  return undefined;
}

function climb({ chain, roots, nowMs }: VerifyOptions): Result<{ leaf: X509Certificate }> {
  let current = chain[0] as X509Certificate;
  const rest = chain.slice(1);
  for (let depth = 0; ; depth++) {
    const problem = certificateReason(current, { depth, nowMs });
    if (problem) return fail(problem);
    const root = roots.find((candidate) => isSignedBy(current, candidate));
    if (root) {
      const rootProblem = certificateReason(root, { depth: depth + 1, nowMs });
      return rootProblem ? fail(rootProblem) : ok({ leaf: chain[0] as X509Certificate });
    }
    const next = rest.findIndex((candidate) => isSignedBy(current, candidate) && candidate.fingerprint256 !== current.fingerprint256);
    if (next < 0) return fail('no trusted root signed the chain');
    current = rest.splice(next, 1)[0] as X509Certificate;
  }
}

const isSignedBy = (certificate: X509Certificate, issuer: X509Certificate): boolean =>
  certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);

function certificateReason(
  certificate: X509Certificate,
  { depth, nowMs }: { depth: number; nowMs: number | undefined },
): string | undefined {
  const who = depth === 0 ? 'the leaf' : `certificate ${depth} above the leaf`;
  if (nowMs !== undefined && nowMs < Date.parse(certificate.validFrom)) return `${who} is not valid before ${certificate.validFrom}`;
  if (nowMs !== undefined && nowMs > Date.parse(certificate.validTo)) return `${who} expired at ${certificate.validTo}`;
  const { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension, X509Certificate: ParsedCertificate } = x509();
  const parsed = new ParsedCertificate(certificate.raw);
  const unknown = parsed.extensions.find((extension) => extension.critical && !CRITICAL_KNOWN.has(extension.type));
  if (unknown) return `${who} has the unknown critical extension ${unknown.type}`;
  if (depth === 0) return undefined;
  if (!certificate.ca) return `${who} is not a CA certificate`;
  const usages = parsed.getExtension(KeyUsagesExtension)?.usages;
  if (usages !== undefined && (usages & KeyUsageFlags.keyCertSign) === 0) return `${who} may not sign certificates`;
  const pathLength = parsed.getExtension(BasicConstraintsExtension)?.pathLength;
  if (pathLength !== undefined && depth - 1 > pathLength) return `${who} allows at most ${pathLength} certificates below it`;
  return undefined;
}

/** The SPIFFE ID of a workload certificate. It must have exactly one URI name, and that must be one (X.509-SVID, section 2). */
export function spiffeIdOf(certificate: X509Certificate): Result<string> {
  let uris: string[];
  try {
    const { SubjectAlternativeNameExtension, X509Certificate: ParsedCertificate } = x509();
    const names = new ParsedCertificate(certificate.raw).getExtension(SubjectAlternativeNameExtension)?.names.toJSON() ?? [];
    uris = names.filter((name) => name.type === 'url').map((name) => name.value);
  } catch {
    return fail('the subject alternative names cannot be read');
  }
  if (uris.length !== 1) return fail(`the certificate has ${uris.length} URI names instead of one`);
  const id = parseSpiffeId(uris[0] as string);
  return id.ok ? ok(uris[0] as string) : id;
}

/** The subject key identifier extension, or undefined. */
export function subjectKeyIdOf(certificate: X509Certificate): Buffer | undefined {
  const { SubjectKeyIdentifierExtension, X509Certificate: ParsedCertificate } = x509();
  const keyId = new ParsedCertificate(certificate.raw).getExtension(SubjectKeyIdentifierExtension)?.keyId;
  return keyId === undefined ? undefined : Buffer.from(keyId, 'hex');
}
