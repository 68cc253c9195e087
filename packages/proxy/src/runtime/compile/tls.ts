// TLS contexts of listeners and clusters.

import {
  CommonTlsContext_CombinedCertificateValidationContextSchema as CombinedSchema,
  type CommonTlsContext,
  CommonTlsContextSchema,
  type DownstreamTlsContext,
  DownstreamTlsContextSchema,
  DownstreamTlsContext_OcspStaplePolicy as OcspPolicy,
  TlsParameters_TlsProtocol as Protocol,
  type SdsSecretConfig,
  SdsSecretConfigSchema,
  type TlsParameters,
  TlsParametersSchema,
  type UpstreamTlsContext,
  UpstreamTlsContextSchema,
} from '@lateen/xds/messages/proxy';
import type {
  CommonTls,
  DownstreamTlsRuntime,
  SecretRef,
  SecretSource,
  TlsVersion,
  UpstreamTlsRuntime,
  ValidationRuntime,
} from '../model.ts';
import { compileConfigSource, resourceKey } from './config-source.ts';
import { honours, type Report } from './report.ts';
import { compileCertificate, compileDefaultValidation, compileTicketKeys, compileValidation, secretRefOf } from './secret.ts';
import { durationMsOr } from './values.ts';

const checkDownstream = honours(DownstreamTlsContextSchema, [
  'commonTlsContext',
  'requireClientCertificate',
  'requireSni',
  'sessionTicketKeys',
  'sessionTicketKeysSdsSecretConfig',
  'disableStatelessSessionResumption',
  // There is no stateful resumption to disable: sessions are kept in tickets only.
  'disableStatefulSessionResumption',
  'sessionTimeout',
  'preferClientCiphers',
  'ocspStaplePolicy',
  'fullScanCertsOnSniMismatch',
]);

export function compileDownstreamTls(message: DownstreamTlsContext, report: Report): DownstreamTlsRuntime {
  checkDownstream(message, report);
  const at = report.at('common_tls_context');
  const common = compileCommon(message.commonTlsContext, 'server', at);
  if (common.certificates.length === 0) at.refuse('a server needs a certificate: tls_certificates or tls_certificate_sds_secret_configs');
  if (message.ocspStaplePolicy !== OcspPolicy.LENIENT_STAPLING) {
    report.at('ocsp_staple_policy').refuse('only LENIENT_STAPLING is supported');
  }
  return {
    ...common,
    requireClientCertificate: message.requireClientCertificate ?? false,
    requireSni: message.requireSni ?? false,
    sessionTickets: compileTickets(message, report),
    sessionTimeoutSeconds: Math.floor(durationMsOr(message.sessionTimeout, DEFAULT_SESSION_TIMEOUT_MS) / 1000),
    preferClientCiphers: message.preferClientCiphers,
    fullScanOnSniMismatch: message.fullScanCertsOnSniMismatch ?? false,
  };
}
const DEFAULT_SESSION_TIMEOUT_MS = 7_200_000;

function compileTickets({ sessionTicketKeysType: type }: DownstreamTlsContext, report: Report): DownstreamTlsRuntime['sessionTickets'] {
  switch (type.case) {
    case 'sessionTicketKeys': {
      const plan = compileTicketKeys('session_ticket_keys', type.value, report.at('session_ticket_keys'));
      return { kind: 'keys', keys: secretRefOf(plan) };
    }
    case 'sessionTicketKeysSdsSecretConfig':
      return { kind: 'keys', keys: compileSds(type.value, report.at('session_ticket_keys_sds_secret_config')) };
    case 'disableStatelessSessionResumption':
      return { kind: type.value ? 'disabled' : 'automatic' };
    case undefined:
      return { kind: 'automatic' };
  }
}

const checkUpstream = honours(UpstreamTlsContextSchema, [
  'commonTlsContext',
  'sni',
  'autoHostSni',
  'autoSniSanValidation',
  'maxSessionKeys',
  // Always enforced, by Envoy too.
  'enforceRsaKeyUsage',
]);

export function compileUpstreamTls(message: UpstreamTlsContext, report: Report): UpstreamTlsRuntime {
  checkUpstream(message, report);
  if (message.sni.length > MAX_SNI) report.at('sni').refuse(`must not be longer than ${MAX_SNI} bytes`);
  if (message.sni.includes('\0')) report.at('sni').refuse('must not have a NUL byte');
  return {
    ...compileCommon(message.commonTlsContext, 'client', report.at('common_tls_context')),
    sni: message.sni,
    autoHostSni: message.autoHostSni,
    autoSniSanValidation: message.autoSniSanValidation,
    maxSessionKeys: message.maxSessionKeys ?? 1,
  };
}
const MAX_SNI = 255;

const checkCommon = honours(CommonTlsContextSchema, [
  'tlsParams',
  'tlsCertificates',
  'tlsCertificateSdsSecretConfigs',
  'validationContext',
  'validationContextSdsSecretConfig',
  'combinedValidationContext',
  'alpnProtocols',
]);

const EMPTY_COMMON: CommonTls = {
  certificates: [],
  validation: undefined,
  defaultValidation: undefined,
  alpnProtocols: [],
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  cipherSuites: [],
  ecdhCurves: [],
  signatureAlgorithms: [],
};

function compileCommon(message: CommonTlsContext | undefined, side: 'server' | 'client', report: Report): CommonTls {
  if (!message) return { ...EMPTY_COMMON, ...compileParameters(undefined, side, report) };
  checkCommon(message, report);
  if (side === 'client' && message.tlsCertificates.length + message.tlsCertificateSdsSecretConfigs.length > 1) {
    report.refuse('a client has at most one certificate');
  }
  // One string may name several, as Envoy's examples do.
  const alpnProtocols = message.alpnProtocols.flatMap((protocols) => protocols.split(','));
  alpnProtocols.forEach((protocol, i) => {
    if (protocol === '' || protocol.length > 255) report.at('alpn_protocols', i).refuse('must have 1 to 255 bytes');
  });
  return {
    certificates: compileCertificates(message, report),
    ...compileValidations(message, report),
    alpnProtocols,
    ...compileParameters(message.tlsParams, side, report.at('tls_params')),
  };
}

function compileCertificates(message: CommonTlsContext, report: Report): SecretRef[] {
  // As Envoy: with certificates in place, those of SDS are not looked at.
  if (message.tlsCertificates.length > 0) {
    return message.tlsCertificates.map((certificate, i) =>
      secretRefOf(compileCertificate('', certificate, report.at('tls_certificates', i))),
    );
  }
  return message.tlsCertificateSdsSecretConfigs.map((config, i) => compileSds(config, report.at('tls_certificate_sds_secret_configs', i)));
}

function compileValidations(message: CommonTlsContext, report: Report): Pick<CommonTls, 'validation' | 'defaultValidation'> {
  const type = message.validationContextType;
  switch (type.case) {
    case 'validationContext': {
      const validation = secretRefOf(compileValidation('', type.value, report.at('validation_context')));
      if (validation.kind === 'inline' && validation.secret.kind === 'validation') {
        const why = insecureReason(validation.secret.validation);
        if (why) report.at('validation_context').refuse(why);
      }
      return { validation, defaultValidation: undefined };
    }
    case 'validationContextSdsSecretConfig':
      return { validation: compileSds(type.value, report.at('validation_context_sds_secret_config')), defaultValidation: undefined };
    case 'combinedValidationContext': {
      const at = report.at('combined_validation_context');
      checkCombined(type.value, at);
      const { defaultValidationContext: fallback, validationContextSdsSecretConfig: sds } = type.value;
      return {
        validation: compileSds(sds, at.at('validation_context_sds_secret_config')),
        defaultValidation: fallback && compileDefaultValidation(fallback, at.at('default_validation_context')),
      };
    }
    default:
      return { validation: undefined, defaultValidation: undefined };
  }
}
const checkCombined = honours(CombinedSchema, ['defaultValidationContext', 'validationContextSdsSecretConfig']);

/** Why names must not be checked without a trusted root: anybody can write any name into a certificate. */
export function insecureReason(validation: ValidationRuntime): string | undefined {
  const hasRoots = validation.trustedCaPem !== '' || validation.systemRoots || validation.trustDomains.size > 0;
  if (hasRoots) return undefined;
  if (validation.matchSubjectAltNames.length > 0) return 'match_typed_subject_alt_names without trusted_ca is insecure';
  if (validation.crlPem !== '') return 'crl needs trusted_ca';
  return undefined;
}

// As Envoy's clients; Istio asks for 1.3 between its proxies.
const DEFAULT_CLIENT_MAX: TlsVersion = 'TLSv1.2';
const VERSIONS: Partial<Record<number, TlsVersion>> = {
  [Protocol.TLSv1_0]: 'TLSv1',
  [Protocol.TLSv1_1]: 'TLSv1.1',
  [Protocol.TLSv1_2]: 'TLSv1.2',
  [Protocol.TLSv1_3]: 'TLSv1.3',
};
const ORDER: readonly TlsVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

// Envoy's default, strongest first.
const DEFAULT_CIPHERS = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
];
const CIPHERS: ReadonlySet<string> = new Set([
  ...DEFAULT_CIPHERS,
  'ECDHE-ECDSA-AES128-SHA256',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES128-SHA256',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA',
  'AES256-SHA',
]);
// Envoy's: the first withstands quantum computers, too.
const DEFAULT_CURVES = ['X25519MLKEM768', 'X25519', 'P-256'];
const CURVES: ReadonlySet<string> = new Set(['X25519', 'P-256', 'P-384', 'P-521', 'X25519MLKEM768']);
const SIGNATURE_ALGORITHMS: ReadonlySet<string> = new Set([
  'ecdsa_secp256r1_sha256',
  'ecdsa_secp384r1_sha384',
  'ecdsa_secp521r1_sha512',
  'ed25519',
  'rsa_pkcs1_sha1',
  'rsa_pkcs1_sha256',
  'rsa_pkcs1_sha384',
  'rsa_pkcs1_sha512',
  'rsa_pss_rsae_sha256',
  'rsa_pss_rsae_sha384',
  'rsa_pss_rsae_sha512',
]);

type Parameters = Pick<CommonTls, 'minVersion' | 'maxVersion' | 'cipherSuites' | 'ecdhCurves' | 'signatureAlgorithms'>;
const checkParameters = honours(TlsParametersSchema, [
  'tlsMinimumProtocolVersion',
  'tlsMaximumProtocolVersion',
  'cipherSuites',
  'ecdhCurves',
  'signatureAlgorithms',
]);

function compileParameters(message: TlsParameters | undefined, side: 'server' | 'client', report: Report): Parameters {
  if (message) checkParameters(message, report);
  const minVersion = VERSIONS[message?.tlsMinimumProtocolVersion ?? 0] ?? 'TLSv1.2';
  const maxVersion = VERSIONS[message?.tlsMaximumProtocolVersion ?? 0] ?? (side === 'server' ? 'TLSv1.3' : DEFAULT_CLIENT_MAX);
  if (ORDER.indexOf(minVersion) > ORDER.indexOf(maxVersion)) {
    report.at('tls_minimum_protocol_version').refuse(`${minVersion} is above the maximum, ${maxVersion}`);
  }
  const known = (field: 'ecdh_curves' | 'signature_algorithms', names: readonly string[], all: ReadonlySet<string>) => {
    names.forEach((name, i) => {
      if (!all.has(name)) report.at(field, i).refuse(`${JSON.stringify(name)} is not supported`);
    });
    return names;
  };
  const curves = known('ecdh_curves', message?.ecdhCurves ?? [], CURVES);
  return {
    minVersion,
    maxVersion,
    cipherSuites: compileCiphers(message?.cipherSuites ?? [], report),
    ecdhCurves: curves.length > 0 ? curves : DEFAULT_CURVES,
    signatureAlgorithms: known('signature_algorithms', message?.signatureAlgorithms ?? [], SIGNATURE_ALGORITHMS),
  };
}

/** Envoy writes ciphers of equal preference as "[A|B]". */
function compileCiphers(names: readonly string[], report: Report): readonly string[] {
  if (names.length === 0) return DEFAULT_CIPHERS;
  return names.flatMap((name, i) => {
    const group = name.startsWith('[') && name.endsWith(']') ? name.slice(1, -1).split('|') : [name];
    for (const one of group) if (!CIPHERS.has(one)) report.at('cipher_suites', i).refuse(`${JSON.stringify(one)} is not supported`);
    return group;
  });
}

const checkSds = honours(SdsSecretConfigSchema, ['name', 'sdsConfig']);

function compileSds(message: SdsSecretConfig | undefined, report: Report): SecretRef {
  const unusable: SecretRef = { kind: 'named', key: '', name: '', source: { kind: 'ads', initialFetchTimeoutMs: 0 } };
  if (!message) {
    report.refuse('is required');
    return unusable;
  }
  checkSds(message, report);
  const { name, sdsConfig: config } = message;
  const source = config ? compileConfigSource(config, report.at('sds_config')) : undefined;
  if (name === '') report.at('name').refuse('must not be empty');
  // A name alone refers to a static secret of the bootstrap.
  return { kind: 'named', key: secretKey(source ?? STATIC, name), name, source: source ?? STATIC };
}
const STATIC: SecretSource = { kind: 'static' };

/** The key in `Runtime.secrets`: the same name from two sources is two secrets. */
export function secretKey(source: SecretSource, name: string): string {
  switch (source.kind) {
    case 'ads':
    case 'static':
      return `${source.kind}:${name}`;
    case 'grpc':
    case 'path':
      return resourceKey(source, name);
    case 'local':
      throw new TypeError('secrets of a plan have keys of their own');
  }
}
