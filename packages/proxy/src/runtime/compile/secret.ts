// Secrets: certificates with keys, what to trust, ticket keys. Bytes that are in the message compile at once; files and
// environment variables become a plan, which the proxy runs where it is, again whenever a file changes.

import {
  type CertificateValidationContext,
  CertificateValidationContextSchema,
  CertificateValidationContext_TrustChainVerification as ChainVerification,
  type DataSource,
  SubjectAltNameMatcher_SanType as SanType,
  type Secret,
  SecretSchema,
  type SubjectAltNameMatcher,
  type TlsCertificate,
  TlsCertificateSchema,
  type TlsSessionTicketKeys,
  tlsSpiffeValidatorConfig,
  type WatchedDirectory,
} from '@lateen/xds/messages/proxy';
import type { DataRef, SanMatcher, SecretPlan, SecretRef, ValidationRuntime } from '../model.ts';
import { compileAny, extension } from './any.ts';
import { compileStringMatcher } from './match.ts';
import { honours, type Report } from './report.ts';

const EMPTY: DataRef = { kind: 'inline', bytes: new Uint8Array() };
const inlineOnly = (data: DataRef): Uint8Array => {
  if (data.kind !== 'inline') throw new TypeError('not inline');
  return data.bytes;
};

/** Gathers the sources of one secret. */
type Sources = { readonly refs: DataRef[]; readonly directories: string[] };
const newSources = (): Sources => ({ refs: [], directories: [] });

function dataOf(source: DataSource | undefined, sources: Sources): DataRef {
  const ref = refOf(source);
  sources.refs.push(ref);
  watch(source?.watchedDirectory, sources);
  return ref;
}

function watch(directory: WatchedDirectory | undefined, { directories }: Sources): void {
  if (directory?.path) directories.push(directory.path);
}

function refOf(source: DataSource | undefined): DataRef {
  switch (source?.specifier.case) {
    case 'inlineString':
      return { kind: 'inline', bytes: new TextEncoder().encode(source.specifier.value) };
    case 'inlineBytes':
      return { kind: 'inline', bytes: source.specifier.value };
    case 'filename':
      return { kind: 'file', path: source.specifier.value };
    case 'environmentVariable':
      return { kind: 'environment', name: source.specifier.value };
    case undefined:
      return EMPTY;
  }
}

/** At once when everything is in the message, else to be run by the proxy. */
function planOf(name: string, { refs, directories }: Sources, build: SecretPlan['build']): SecretPlan {
  const files = refs.flatMap((ref) => (ref.kind === 'file' ? [ref.path] : []));
  return { name, files, watchedDirectories: directories, build, isInline: refs.every((ref) => ref.kind === 'inline') };
}

/** A secret inside a TLS context as a reference. What has to be read gets a key of its own, which nothing else ever has. */
export function secretRefOf(plan: SecretPlan): SecretRef {
  if (plan.isInline) return { kind: 'inline', secret: plan.build(inlineOnly) };
  return { kind: 'named', key: `local:${nextLocal++}`, name: plan.name, source: { kind: 'local', plan } };
}
let nextLocal = 1;

/** An SDS resource. */
export function compileSecret(message: Secret, report: Report): SecretPlan | undefined {
  checkSecret(message, report);
  const { name, type } = message;
  switch (type.case) {
    case 'tlsCertificate':
      return compileCertificate(name, type.value, report.at('tls_certificate'));
    case 'validationContext':
      return compileValidation(name, type.value, report.at('validation_context'));
    case 'sessionTicketKeys':
      return compileTicketKeys(name, type.value, report.at('session_ticket_keys'));
    case 'genericSecret': {
      const sources = newSources();
      const ref = dataOf(type.value.secret, sources);
      return planOf(name, sources, (read) => ({ name, kind: 'generic', value: read(ref) }));
    }
    case undefined:
      report.refuse('one of tls_certificate, validation_context, session_ticket_keys, generic_secret is required');
      return undefined;
  }
}
const checkSecret = honours(SecretSchema, ['name', 'tlsCertificate', 'validationContext', 'sessionTicketKeys', 'genericSecret']);

// signed_certificate_timestamp is read by no version of Envoy either.
const checkCertificate = honours(TlsCertificateSchema, [
  'certificateChain',
  'privateKey',
  'watchedDirectory',
  'password',
  'ocspStaple',
  'signedCertificateTimestamp',
]);

export function compileCertificate(name: string, message: TlsCertificate, report: Report): SecretPlan {
  checkCertificate(message, report);
  if (!message.certificateChain) report.at('certificate_chain').refuse('is required');
  if (!message.privateKey) report.at('private_key').refuse('is required');
  const sources = newSources();
  watch(message.watchedDirectory, sources);
  const chain = dataOf(message.certificateChain, sources);
  const key = dataOf(message.privateKey, sources);
  const password = dataOf(message.password, sources);
  const staple = dataOf(message.ocspStaple, sources);
  const hasStaple = message.ocspStaple !== undefined;
  return planOf(name, sources, (read) => ({
    name,
    kind: 'certificate',
    chainPem: textOf(read(chain)),
    keyPem: textOf(read(key)),
    passphrase: textOf(read(password)),
    ocspStaple: hasStaple ? read(staple) : undefined,
    chainPath: pathOf(chain),
  }));
}

const TICKET_KEY_BYTES = 80;

export function compileTicketKeys(name: string, message: TlsSessionTicketKeys, report: Report): SecretPlan {
  const sources = newSources();
  const refs = message.keys.map((key, i) => {
    const ref = dataOf(key, sources);
    if (ref.kind === 'inline' && ref.bytes.length !== TICKET_KEY_BYTES) report.at('keys', i).refuse('must have 80 bytes');
    return ref;
  });
  return planOf(name, sources, (read) => ({ name, kind: 'ticket_keys', keys: refs.map(read) }));
}

// Not: only_verify_leaf_cert_crl, which Node does not hand to OpenSSL.
const checkValidation = honours(CertificateValidationContextSchema, [
  'trustedCa',
  'systemRootCerts',
  'watchedDirectory',
  'verifyCertificateSpki',
  'verifyCertificateHash',
  'matchTypedSubjectAltNames',
  'matchSubjectAltNames',
  'crl',
  'allowExpiredCertificate',
  'trustChainVerification',
  'customValidatorConfig',
  'maxVerifyDepth',
]);

export function compileValidation(name: string, message: CertificateValidationContext, report: Report): SecretPlan {
  const parts = compileValidationParts(message, report);
  return planOf(name, parts.sources, (read) => ({ name, kind: 'validation', validation: parts.build(read) }));
}

/** The default of a combined context. It must be inline: it is merged into what SDS sends. */
export function compileDefaultValidation(message: CertificateValidationContext, report: Report): ValidationRuntime | undefined {
  const { sources, build } = compileValidationParts(message, report);
  if (sources.refs.every((ref) => ref.kind === 'inline')) return build(inlineOnly);
  report.refuse('files and environment variables are not supported in a default_validation_context');
  return undefined;
}

function compileValidationParts(message: CertificateValidationContext, report: Report) {
  checkValidation(message, report);
  const sources = newSources();
  watch(message.watchedDirectory, sources);
  const ca = dataOf(message.trustedCa, sources);
  const crl = dataOf(message.crl, sources);
  const domains = compileTrustDomains(message, sources, report.at('custom_validator_config'));
  const fixed = {
    trustedCaPath: pathOf(ca),
    systemRoots: message.systemRootCerts !== undefined,
    matchSubjectAltNames: compileSanMatchers(message, report),
    verifyCertificateSpki: message.verifyCertificateSpki,
    verifyCertificateHash: message.verifyCertificateHash.map((hash, i) => normalHash(hash, report.at('verify_certificate_hash', i))),
    acceptUntrusted: message.trustChainVerification === ChainVerification.ACCEPT_UNTRUSTED,
    allowExpired: message.allowExpiredCertificate,
    maxVerifyDepth: message.maxVerifyDepth,
  };
  const hasCa = message.trustedCa !== undefined;
  if (hasCa && ca.kind === 'inline' && ca.bytes.length === 0) report.at('trusted_ca').refuse('must not be empty');
  message.verifyCertificateSpki.forEach((spki, i) => {
    if (!/^[A-Za-z0-9+/]{43}=$/.test(spki)) report.at('verify_certificate_spki', i).refuse('must be base64 of a SHA-256');
  });
  const build = (read: (data: DataRef) => Uint8Array): ValidationRuntime => {
    const trustedCaPem = textOf(read(ca));
    // Nothing in it would mean that everybody is trusted.
    if (hasCa && ca.kind !== 'inline' && trustedCaPem === '') throw new Error(`trusted_ca: ${pathOf(ca)} is empty`);
    return {
      ...fixed,
      trustedCaPem,
      crlPem: textOf(read(crl)),
      trustDomains: new Map(domains.map(({ domain, bundle }) => [domain, textOf(read(bundle))])),
    };
  };
  return { sources, build };
}

function normalHash(hash: string, report: Report): string {
  const plain = hash.replaceAll(':', '').toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(plain)) report.refuse('must be hex of a SHA-256');
  return plain;
}

function compileTrustDomains(message: CertificateValidationContext, sources: Sources, report: Report) {
  if (!message.customValidatorConfig) return [];
  return (
    compileAny(
      message.customValidatorConfig.typedConfig,
      [
        extension(tlsSpiffeValidatorConfig.SPIFFECertValidatorConfigSchema, (config, at) => {
          const seen = new Set<string>();
          return config.trustDomains.map(({ name, trustBundle }, i) => {
            const here = at.at('trust_domains', i);
            if (seen.has(name)) here.at('name').refuse('is used twice');
            seen.add(name);
            return { domain: name, bundle: dataOf(trustBundle, sources) };
          });
        }),
      ],
      report.at('typed_config'),
    ) ?? []
  );
}

const SAN_TYPES: Partial<Record<number, SanMatcher['type']>> = {
  [SanType.DNS]: 'dns',
  [SanType.URI]: 'uri',
  [SanType.EMAIL]: 'email',
  [SanType.IP_ADDRESS]: 'ip',
  [SanType.OTHER_NAME]: 'other_name',
};
// The untyped form matches a name of any of these kinds.
const UNTYPED: readonly SanMatcher['type'][] = ['dns', 'uri', 'email', 'ip'];

function compileSanMatchers(message: CertificateValidationContext, report: Report): SanMatcher[] {
  const typed = message.matchTypedSubjectAltNames.flatMap((each, i) =>
    compileSanMatcher(each, report.at('match_typed_subject_alt_names', i)),
  );
  // Envoy looks at the deprecated list only where there is no typed one.
  if (typed.length > 0) return typed;
  return message.matchSubjectAltNames.flatMap((matcher, i) => {
    const match = compileStringMatcher(matcher, report.at('match_subject_alt_names', i));
    return UNTYPED.map((type) => sanMatcher(type, '', match, exactOf(matcher)));
  });
}

function compileSanMatcher({ sanType, matcher, oid }: SubjectAltNameMatcher, report: Report): SanMatcher[] {
  const type = SAN_TYPES[sanType];
  if (!type) report.at('san_type').refuse('must be EMAIL, DNS, URI, IP_ADDRESS or OTHER_NAME');
  if (type === 'other_name' && !/^\d+(\.\d+)+$/.test(oid)) report.at('oid').refuse('must be an object identifier such as 1.3.6.1');
  if (!type || !matcher) return [];
  return [sanMatcher(type, oid, compileStringMatcher(matcher, report.at('matcher')), exactOf(matcher))];
}

type StringMatcher = NonNullable<SubjectAltNameMatcher['matcher']>;
const exactOf = ({ matchPattern }: StringMatcher): string | undefined => (matchPattern.case === 'exact' ? matchPattern.value : undefined);

type Match = { readonly text: string; test(value: string): boolean };

function sanMatcher(type: SanMatcher['type'], oid: string, match: Match, exact: string | undefined): SanMatcher {
  const text = `${type}${oid && ` ${oid}`} ${match.text}`;
  // A certificate's wildcard covers an exact name, as for host names everywhere (RFC 6125).
  if (type === 'dns' && exact !== undefined) return { type, oid, text, matches: (name) => coversDnsName(name, exact) };
  return { type, oid, text, matches: (name) => match.test(name) };
}

/** Whether a certificate's DNS name, perhaps with a wildcard as its first label, names this host. Case does not matter. */
export function coversDnsName(certified: string, host: string): boolean {
  const pattern = certified.toLowerCase();
  const name = host.toLowerCase();
  if (pattern === name) return true;
  if (!pattern.startsWith('*.') || pattern.indexOf('*', 1) >= 0) return false;
  const dot = name.indexOf('.');
  return dot > 0 && name.slice(dot) === pattern.slice(1);
}

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const pathOf = (data: DataRef): string => (data.kind === 'file' ? data.path : data.kind === 'inline' ? '<inline>' : `$${data.name}`);
