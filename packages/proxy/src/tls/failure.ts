// Why a handshake failed, in Envoy's words: access logs and the text of 503 answers carry them.

import { codeOf } from '@lateen/base';

/** BoringSSL's reason codes within its SSL library (16). */
const SSL_LIBRARY = 0x10000000;
const REASONS: Readonly<Record<string, readonly [name: string, code: number, detail?: string]>> = {
  ERR_SSL_CERTIFICATE_VERIFY_FAILED: ['CERTIFICATE_VERIFY_FAILED', 125],
  ERR_SSL_KEY_USAGE_BIT_INCORRECT: ['KEY_USAGE_BIT_INCORRECT', 297],
  ERR_SSL_HTTP_REQUEST: ['HTTP_REQUEST', 156],
  ERR_SSL_NO_SHARED_CIPHER: ['NO_SHARED_CIPHER', 184],
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: ['PEER_DID_NOT_RETURN_A_CERTIFICATE', 192, 'peer did not provide required client certificate'],
  ERR_SSL_EXCESSIVE_MESSAGE_SIZE: ['EXCESSIVE_MESSAGE_SIZE', 150],
  ERR_SSL_NO_SUITABLE_KEY_SHARE: ['NO_SHARED_GROUP', 266],
  ERR_SSL_UNEXPECTED_MESSAGE: ['UNEXPECTED_MESSAGE', 223],
  ERR_SSL_UNSUPPORTED_PROTOCOL: ['UNSUPPORTED_PROTOCOL', 240],
  ERR_SSL_WRONG_VERSION_NUMBER: ['WRONG_VERSION_NUMBER', 247],
  ERR_SSL_PACKET_LENGTH_TOO_LONG: ['WRONG_VERSION_NUMBER', 247],
};
/** Alerts of the peer have the code 1000 + alert. Node names them after OpenSSL's texts, which changed over time. */
const ALERTS: readonly (readonly [pattern: string, name: string, alert: number])[] = [
  ['HANDSHAKE_FAILURE', 'SSLV3_ALERT_HANDSHAKE_FAILURE', 40],
  ['CERTIFICATE_REQUIRED', 'TLSV1_ALERT_CERTIFICATE_REQUIRED', 116],
  ['BAD_CERTIFICATE', 'SSLV3_ALERT_BAD_CERTIFICATE', 42],
  ['UNSUPPORTED_CERTIFICATE', 'SSLV3_ALERT_UNSUPPORTED_CERTIFICATE', 43],
  ['CERTIFICATE_REVOKED', 'SSLV3_ALERT_CERTIFICATE_REVOKED', 44],
  ['CERTIFICATE_EXPIRED', 'SSLV3_ALERT_CERTIFICATE_EXPIRED', 45],
  ['CERTIFICATE_UNKNOWN', 'SSLV3_ALERT_CERTIFICATE_UNKNOWN', 46],
  ['UNKNOWN_CA', 'TLSV1_ALERT_UNKNOWN_CA', 48],
  ['ACCESS_DENIED', 'TLSV1_ALERT_ACCESS_DENIED', 49],
  ['PROTOCOL_VERSION', 'TLSV1_ALERT_PROTOCOL_VERSION', 70],
  ['UNRECOGNIZED_NAME', 'TLSV1_ALERT_UNRECOGNIZED_NAME', 112],
  ['NO_APPLICATION_PROTOCOL', 'TLSV1_ALERT_NO_APPLICATION_PROTOCOL', 120],
  ['INTERNAL_ERROR', 'TLSV1_ALERT_INTERNAL_ERROR', 80],
];

const text = (name: string, code: number, detail = ''): string =>
  `TLS_error:|${SSL_LIBRARY + code}:SSL routines:OPENSSL_internal:${name}${detail && `:${detail}`}:TLS_error_end`;

const SYSTEM_LIBRARY = 0x02000000;
const SYSTEM_ERRORS: Readonly<Record<string, readonly [text: string, errno: number]>> = {
  EPIPE: ['Broken pipe', 32],
  ECONNRESET: ['Connection reset by peer', 104],
  ETIMEDOUT: ['Connection timed out', 110],
};

/** Of an error that ended a handshake; undefined when the peer just closed. */
export function describeHandshakeError(error: unknown): string | undefined {
  const code = codeOf(error);
  const system = code !== undefined && Object.hasOwn(SYSTEM_ERRORS, code) ? SYSTEM_ERRORS[code] : undefined;
  if (!system) return describeTlsError(code) ?? code;
  // Node reports a mere end as ECONNRESET too, but then no system call failed.
  if (!(error instanceof Error && 'syscall' in error)) return undefined;
  return `TLS_error:|${SYSTEM_LIBRARY + system[1]}:system library:OPENSSL_internal:${system[0]}:TLS_error_end`;
}

/** Of OpenSSL's errors as Node names them; other codes give undefined. */
export function describeTlsError(code: string | undefined): string | undefined {
  if (code === undefined || !code.startsWith('ERR_SSL_')) return undefined;
  const known = Object.hasOwn(REASONS, code) ? REASONS[code] : undefined;
  if (known) return text(...known);
  if (code.includes('ALERT')) {
    const alert = ALERTS.find(([pattern]) => code.endsWith(pattern));
    if (alert) return text(alert[1], 1000 + alert[2]);
  }
  return text(code.slice('ERR_SSL_'.length), 0);
}

/** The peer's certificate was refused. */
export const describeVerifyFailure = (why: string): string => text('CERTIFICATE_VERIFY_FAILED', 125, `verify cert failed: ${why}`);
