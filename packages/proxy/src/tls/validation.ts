// Whether a peer may talk to us. OpenSSL has checked the chain during the handshake (Node lets it finish in any case); here its
// verdict, the names, the pins and the trust domains decide.

import { createHash, type X509Certificate } from 'node:crypto';
import { getCACertificates } from 'node:tls';
import { parseCertificates, parseSpiffeId, verifyChain } from '@lateen/pki';
import { coversDnsName } from '../runtime/compile/secret.ts';
import type { SanMatcher, ValidationRuntime } from '../runtime/model.ts';
import { maySign } from './certificate-extension.ts';
import { describeTlsError, describeVerifyFailure } from './failure.ts';
import { type SubjectAltNames, subjectAltNamesOf } from './subject-alt-names.ts';

/** `counter`: which statistic counts a refusal; undefined: connection_error. */
export type Verdict =
  | { readonly ok: true; readonly verified: boolean }
  | { readonly ok: false; readonly counter: VerifyCounter | undefined; readonly failure: string };
export type VerifyCounter = 'fail_verify_error' | 'fail_verify_san' | 'fail_verify_cert_hash';

export type PeerEvidence = {
  /** Leaf first; a resumed session has the leaf only. */
  readonly chain: readonly X509Certificate[];
  /** OpenSSL's verdict on the chain; undefined: good. Kept in a resumed session. */
  readonly chainError: { readonly code: string; readonly message: string } | undefined;
  /** What the peer is. */
  readonly usage: 'server' | 'client';
  readonly nowMs: number;
};

/** A validation context, ready to judge. */
export type Validator = {
  /** OpenSSL's roots do not decide, so sessions must not be resumed: a resumed one has no chain to look at. */
  readonly judgesChains: boolean;
  judge(peer: PeerEvidence, serverName: string): Verdict;
};

const accepted: Verdict = { ok: true, verified: true };
const tolerated: Verdict = { ok: true, verified: false };

/** `expectsServerName`: the SNI must be one of the peer's DNS names, in place of the names of the context. */
export function createValidator(context: ValidationRuntime | undefined, expectsServerName = false): Validator {
  if (!context) return { judgesChains: false, judge: () => tolerated };
  const roots = rootsByDomain(context.trustDomains);
  const hasRoots = roots.size > 0 || context.systemRoots || context.trustedCaPem !== '';
  const hasPins = context.verifyCertificateHash.length + context.verifyCertificateSpki.length > 0;
  const judgesChains = roots.size > 0 || context.allowExpired;

  const isTooDeep = createDepthCheck(context);

  const judgeChain = (peer: PeerEvidence, names: SubjectAltNames): string | undefined => {
    if (isTooDeep?.(peer.chain)) return 'X509_verify_cert: certificate verification error at depth 0: certificate chain too long';
    if (roots.size > 0) return spiffeReason(peer, { names, roots, allowExpired: context.allowExpired });
    if (!hasRoots || !peer.chainError) return undefined;
    if (context.allowExpired && isExpiryOnly(peer, context)) return undefined;
    return `X509_verify_cert: certificate verification error at depth 0: ${peer.chainError.message}`;
  };

  const judge = (peer: PeerEvidence, serverName: string): Verdict => {
    const leaf = peer.chain[0];
    if (!leaf) return tolerated;
    const names = subjectAltNamesOf(leaf.raw);
    if (!names.ok) return refuse('fail_verify_error', names.error);
    // BoringSSL asks this of every peer, whatever the context tolerates.
    if (!maySign(leaf.raw)) return intolerable('KEY_USAGE_BIT_INCORRECT');
    const chainReason = judgeChain(peer, names.value);
    if (chainReason !== undefined) return refuse('fail_verify_error', chainReason);
    if (expectsServerName) {
      if (!isNamed(names.value, serverName)) return refuse('fail_verify_san', sanReason(names.value));
    } else if (context.matchSubjectAltNames.length > 0 && !matchesAny(context.matchSubjectAltNames, names.value)) {
      return refuse('fail_verify_san', sanReason(names.value));
    }
    if (hasPins && !isPinned(leaf, context)) return refuse('fail_verify_cert_hash', 'cert hash and spki');
    return hasRoots || hasPins ? accepted : tolerated;
  };
  return {
    judgesChains,
    judge(peer, serverName) {
      const verdict = judge(peer, serverName);
      return !verdict.ok && context.acceptUntrusted && verdict.counter ? tolerated : verdict;
    },
  };
}

/** Undefined: there is no limit. The root need not be sent: it is what comes after the last certificate then. */
function createDepthCheck(context: ValidationRuntime): ((chain: readonly X509Certificate[]) => boolean) | undefined {
  const { maxVerifyDepth } = context;
  if (maxVerifyDepth === undefined) return undefined;
  const pems = context.systemRoots ? getCACertificates('system') : [context.trustedCaPem, ...context.trustDomains.values()];
  const parsed = pems.flatMap((pem) => {
    const roots = parseCertificates(pem);
    return roots.ok ? roots.value : [];
  });
  const roots = new Set(parsed.map(({ fingerprint256 }) => fingerprint256));
  return (chain) => {
    const at = chain.findIndex(({ fingerprint256 }) => roots.has(fingerprint256));
    return (at < 0 ? chain.length : at) > maxVerifyDepth;
  };
}

const intolerable = (reason: string): Verdict => ({
  ok: false,
  counter: undefined,
  failure: describeTlsError(`ERR_SSL_${reason}`) as string,
});
const refuse = (counter: VerifyCounter, why: string): Verdict => ({ ok: false, counter, failure: describeVerifyFailure(why) });

const sanReason = ({ dns, uri, email, ip }: SubjectAltNames): string =>
  `SAN matcher, certificate SANs are [${[...dns, ...uri, ...email, ...ip].join(', ')}]`;

function matchesAny(matchers: readonly SanMatcher[], names: SubjectAltNames): boolean {
  return matchers.some((matcher) => {
    if (matcher.type === 'other_name') return names.otherName.some(({ oid, text }) => oid === matcher.oid && matcher.matches(text));
    return names[matcher.type].some((name) => matcher.matches(name));
  });
}

function isNamed(names: SubjectAltNames, serverName: string): boolean {
  if (serverName === '') return false;
  return names.ip.includes(serverName) || names.dns.some((name) => coversDnsName(name, serverName));
}

function isPinned(leaf: X509Certificate, context: ValidationRuntime): boolean {
  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes);
  if (context.verifyCertificateHash.includes(sha256(leaf.raw).digest('hex'))) return true;
  const spki = leaf.publicKey.export({ type: 'spki', format: 'der' });
  return context.verifyCertificateSpki.includes(sha256(spki).digest('base64'));
}

type TrustDomains = ReadonlyMap<string, readonly X509Certificate[]>;

function rootsByDomain(domains: ReadonlyMap<string, string>): TrustDomains {
  return new Map(
    [...domains].map(([domain, pem]) => {
      const certificates = parseCertificates(pem);
      return [domain, certificates.ok ? certificates.value : []];
    }),
  );
}

type SpiffeRules = { names: SubjectAltNames; roots: TrustDomains; allowExpired: boolean };

/** X509-SVID: exactly one URI, which names the trust domain whose roots alone count. */
function spiffeReason(peer: PeerEvidence, { names, roots, allowExpired }: SpiffeRules): string | undefined {
  if (names.uri.length !== 1) return `the certificate has ${names.uri.length} URI SANs instead of one`;
  const id = parseSpiffeId(names.uri[0] as string);
  if (!id.ok) return `URI SAN: ${id.error}`;
  const bundle = roots.get(id.value.trustDomain);
  if (!bundle) return `no trust bundle for trust domain ${id.value.trustDomain}`;
  return chainReason(peer, bundle, allowExpired);
}

/** The chain is good but for its age. */
function isExpiryOnly(peer: PeerEvidence, context: ValidationRuntime): boolean {
  const roots = parseCertificates(context.trustedCaPem);
  return roots.ok && chainReason(peer, roots.value, true) === undefined;
}

const MIN_RSA_BITS = 2048;
const WEAK_DIGEST = /md5|sha1(?!\d)/i;

/** What OpenSSL refuses at its default level is refused here too. */
function chainReason({ chain, nowMs, usage }: PeerEvidence, roots: readonly X509Certificate[], allowExpired: boolean): string | undefined {
  for (const { publicKey, signatureAlgorithm } of chain) {
    if (publicKey.asymmetricKeyType === 'rsa' && (publicKey.asymmetricKeyDetails?.modulusLength ?? 0) < MIN_RSA_BITS)
      return 'key too small';
    if (WEAK_DIGEST.test(signatureAlgorithm ?? '')) return 'signature digest too weak';
  }
  const verified = verifyChain({ chain, roots, nowMs: allowExpired ? undefined : nowMs, usage });
  return verified.ok ? undefined : verified.error;
}
