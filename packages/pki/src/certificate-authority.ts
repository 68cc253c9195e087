// A certificate authority in memory: self-signed, or loaded from the files that Istio's `cacerts` secret has (ca-cert.pem,
// ca-key.pem, cert-chain.pem, root-cert.pem).

import { createPublicKey, type KeyObject, randomBytes as nodeRandomBytes, X509Certificate } from 'node:crypto';
import { type Clock, CodedError, type Result, systemClock } from '@lateen/base';
import {
  type ExtendedKeyUsage,
  keyIdOf,
  type SubjectAltNames,
  type SubjectName,
  writeCertificate,
  writeName,
} from './certificate-writer.ts';
import { parseCsr } from './csr.ts';
import { subjectNameOf } from './der.ts';
import { generateKeyPair, type KeyAlgorithm, type KeyPair, parseKeyPair, weakKeyReason } from './keys.ts';
import { formatPem, parseCertificates } from './pem.ts';
import { subjectKeyIdOf } from './verify.ts';

export type LeafOptions = {
  subject?: SubjectName;
  subjectAltNames?: SubjectAltNames;
  /** Default both. */
  usages?: readonly ExtendedKeyUsage[];
  /** Default 24 h; never beyond the authority's own end. */
  ttlMs?: number;
  /** Of the new key; default ECDSA P-256. */
  algorithm?: KeyAlgorithm;
};

export type SignedCertificate = {
  certPem: string;
  /** The leaf and every intermediate, without the root: what a TLS server sends. */
  chainPem: string;
  notBeforeMs: number;
  notAfterMs: number;
};
export type IssuedCertificate = SignedCertificate & { keyPem: string };

export type CertificateAuthority = {
  /** The signing certificate and its key, to persist. */
  readonly certPem: string;
  readonly keyPem: string;
  /** What others must trust: its own certificate, or the configured root(s). */
  readonly rootPem: string;
  readonly notAfterMs: number;
  /** A new key and its certificate. */
  issue(options: LeafOptions): IssuedCertificate;
  /** A TLS server certificate; `names` may mix DNS names and IP addresses. */
  issueServer(names: readonly string[], options?: LeafOptions): IssuedCertificate;
  /** A client certificate as Kubernetes reads it: user and groups. */
  issueClient(user: string, groups?: readonly string[], options?: LeafOptions): IssuedCertificate;
  /** An X.509-SVID: one URI, no subject, client and server usage. */
  issueWorkload(spiffeId: string, options?: LeafOptions): IssuedCertificate;
  /** Certifies somebody's public key. @throws CodedError LAT2202 for a weak key */
  certify(publicKey: KeyObject, options: LeafOptions): SignedCertificate;
  /** Certifies the key of a request under `options`; names inside the request are ignored, as they are only claims. */
  signCsr(csr: string | Uint8Array, options: LeafOptions): Promise<Result<SignedCertificate>>;
};

export type CertificateAuthorityOptions = {
  /** Default { organizations: ["cluster.local"] }, as istiod's. */
  subject?: SubjectName;
  algorithm?: KeyAlgorithm;
  /** Default 10 years. */
  ttlMs?: number;
  clock?: Clock;
  randomBytes?: (size: number) => Uint8Array;
};

export type AuthorityFiles = {
  certPem: string;
  keyPem: string;
  /** Intermediates from the signing certificate towards the root; may contain the signing certificate itself. */
  chainPem?: string;
  rootPem?: string;
};

const HOUR_MS = 3_600_000;
const DEFAULT_ROOT_TTL_MS = 3650 * 24 * HOUR_MS;
const DEFAULT_LEAF_TTL_MS = 24 * HOUR_MS;
/** Certificates are valid a little before now, for peers whose clock is behind. */
const NOT_BEFORE_SKEW_MS = 120_000;

type Sources = { clock: Clock; randomBytes: (size: number) => Uint8Array };
const sourcesOf = ({
  clock = systemClock,
  randomBytes = nodeRandomBytes,
}: Pick<CertificateAuthorityOptions, 'clock' | 'randomBytes'>): Sources => ({ clock, randomBytes });

/** A new self-signed authority. */
export function createCertificateAuthority(options: CertificateAuthorityOptions = {}): CertificateAuthority {
  const sources = sourcesOf(options);
  const key = generateKeyPair(options.algorithm);
  const name = writeName(options.subject ?? { organizations: ['cluster.local'] });
  const now = sources.clock.now();
  const der = writeCertificate(
    {
      serial: randomSerial(sources),
      issuer: name,
      subject: name,
      notBeforeMs: now - NOT_BEFORE_SKEW_MS,
      notAfterMs: now + (options.ttlMs ?? DEFAULT_ROOT_TTL_MS),
      publicKey: key.publicKey,
      subjectAltNames: {},
      authority: { keyId: keyIdOf(key.publicKey) },
      usage: { kind: 'authority', pathLength: undefined },
    },
    key.privateKey,
  );
  const certPem = formatPem('CERTIFICATE', der);
  return authorityOf({ certificate: new X509Certificate(der), certPem, key, intermediatesPem: '', rootPem: certPem }, sources);
}

/** An authority from PEM text. @throws CodedError LAT2201 when the parts do not belong together */
export function loadCertificateAuthority(
  files: AuthorityFiles,
  options: Pick<CertificateAuthorityOptions, 'clock' | 'randomBytes'> = {},
): CertificateAuthority {
  const certificate = required(parseCertificates(files.certPem), 'the CA certificate')[0] as X509Certificate;
  const key = required(parseKeyPair(files.keyPem), 'the CA key');
  if (!certificate.checkPrivateKey(key.privateKey)) throw authorityError('the CA key does not belong to the CA certificate');
  if (!certificate.ca) throw authorityError('the CA certificate is not a CA certificate (basicConstraints CA:TRUE is missing)');
  const chain = files.chainPem ? required(parseCertificates(files.chainPem), 'the CA certificate chain') : [];
  const isSelfSigned = certificate.checkIssued(certificate);
  if (!files.rootPem && !isSelfSigned) throw authorityError('an intermediate CA certificate needs its root certificate');
  const intermediates = [certificate, ...chain].filter(
    (one, i) => !one.checkIssued(one) && (i === 0 || one.fingerprint256 !== certificate.fingerprint256),
  );
  return authorityOf(
    {
      certificate,
      certPem: files.certPem,
      key,
      intermediatesPem: intermediates.map((one) => formatPem('CERTIFICATE', one.raw)).join(''),
      rootPem: files.rootPem ?? files.certPem,
    },
    sourcesOf(options),
  );
}

type Signer = { certificate: X509Certificate; certPem: string; key: KeyPair; intermediatesPem: string; rootPem: string };

function authorityOf(signer: Signer, sources: Sources): CertificateAuthority {
  const issuer = subjectNameOf(signer.certificate.raw);
  const keyId = subjectKeyIdOf(signer.certificate);
  const caNotAfterMs = Date.parse(signer.certificate.validTo);

  function certify(publicKey: KeyObject, options: LeafOptions): SignedCertificate {
    const weakness = weakKeyReason(publicKey);
    if (weakness) throw new CodedError({ code: 'LAT2202', what: 'the public key cannot be certified', why: weakness });
    const now = sources.clock.now();
    const notBeforeMs = now - NOT_BEFORE_SKEW_MS;
    const notAfterMs = Math.min(now + (options.ttlMs ?? DEFAULT_LEAF_TTL_MS), caNotAfterMs);
    const der = writeCertificate(
      {
        serial: randomSerial(sources),
        issuer,
        subject: writeName(options.subject ?? {}),
        notBeforeMs,
        notAfterMs,
        publicKey,
        subjectAltNames: options.subjectAltNames ?? {},
        authority: { keyId },
        usage: { kind: 'leaf', extended: options.usages ?? ['server', 'client'] },
      },
      signer.key.privateKey,
    );
    const certPem = formatPem('CERTIFICATE', der);
    return { certPem, chainPem: certPem + signer.intermediatesPem, notBeforeMs, notAfterMs };
  }

  function issue(options: LeafOptions): IssuedCertificate {
    const key = generateKeyPair(options.algorithm);
    return { ...certify(key.publicKey, options), keyPem: key.keyPem };
  }

  return {
    certPem: signer.certPem,
    keyPem: signer.key.keyPem,
    rootPem: signer.rootPem,
    notAfterMs: caNotAfterMs,
    certify,
    issue,
    issueServer: (names, options = {}) =>
      issue({ usages: ['server'], subjectAltNames: splitNames(names), subject: { commonName: (names[0] ?? '').slice(0, 64) }, ...options }),
    issueClient: (user, groups = [], options = {}) =>
      issue({ usages: ['client'], subject: { commonName: user, organizations: groups }, ...options }),
    issueWorkload: (spiffeId, options = {}) => issue({ subjectAltNames: { uris: [spiffeId] }, ...options }),
    async signCsr(csr, options) {
      const parsed = await parseCsr(csr);
      if (!parsed.ok) return parsed;
      const publicKey = createPublicKey({ key: parsed.value.publicKeyDer, format: 'der', type: 'spki' });
      return { ok: true, value: certify(publicKey, options) };
    },
  };
}

const isIp = (name: string): boolean => /^[\d.]+$/.test(name) || name.includes(':');
const splitNames = (names: readonly string[]): SubjectAltNames => ({
  dnsNames: names.filter((name) => !isIp(name)),
  ipAddresses: names.filter(isIp),
});

// 127 random bits, never zero, never negative (RFC 5280, 4.1.2.2).
function randomSerial({ randomBytes }: Sources): Buffer {
  const serial = Buffer.from(randomBytes(16));
  serial[0] = ((serial[0] as number) & 0x7f) | 0x40;
  return serial;
}

function authorityError(what: string): CodedError {
  return new CodedError({ code: 'LAT2201', what });
}

function required<T>(result: Result<T>, what: string): T {
  if (!result.ok) throw authorityError(`${what} is unusable: ${result.error}`);
  return result.value;
}
