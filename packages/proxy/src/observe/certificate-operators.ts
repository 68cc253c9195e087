// Operators that print certificates and TLS sessions of either side.

import { createHash, type X509Certificate } from 'node:crypto';
import { parseCertificates } from '@lateen/pki';
import type { RequestRecord } from '../http/request-record.ts';
import type { CertificateFacts } from '../io/tls-facts.ts';
import { type Compile, nothing, plain } from './operator.ts';
import { formatTime } from './time-format.ts';

type Certificate = CertificateFacts | undefined;

function sans(read: (record: RequestRecord) => readonly string[] | undefined): Compile {
  return plain((record) => read(record)?.join(','));
}

/** A certificate and those that were sent with it. */
function chainOf(certificate: Certificate): readonly X509Certificate[] {
  const chain = certificate ? parseCertificates(certificate.chainPem()) : undefined;
  return chain?.ok ? chain.value : [];
}

const encodedPem = (certificate: Certificate): string | undefined => certificate && encodeURIComponent(certificate.pem());
const bareHex = (text: string): string => text.replaceAll(':', '').toLowerCase();
const sha1Of = (certificate: CertificateFacts): string => createHash('sha1').update(derOf(certificate.pem())).digest('hex');
const derOf = (pem: string): Buffer => Buffer.from(pem.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');

function validity(read: (record: RequestRecord) => number | undefined): Compile {
  return (argument) => (record) => {
    const ms = read(record);
    return ms === undefined ? undefined : formatTime(ms, argument);
  };
}

export const CERTIFICATE_OPERATORS = {
  DOWNSTREAM_LOCAL_EMAIL_SAN: sans((record) => record.connection.tls?.local?.emailSans),
  DOWNSTREAM_LOCAL_IP_SAN: sans((record) => record.connection.tls?.local?.ipSans),
  // OpenSSL's names of other kinds are not read.
  DOWNSTREAM_LOCAL_OTHERNAME_SAN: nothing,
  DOWNSTREAM_LOCAL_URI_SAN: plain((record) => record.connection.localPrincipal),
  DOWNSTREAM_PEER_URI_SAN: plain(({ connection }) => connection.tls?.peer?.uriSans.join(',') || connection.peerPrincipal),
  DOWNSTREAM_LOCAL_SUBJECT: plain(({ connection }) => connection.tls?.local?.subject),
  DOWNSTREAM_LOCAL_DNS_SAN: plain(({ connection }) => connection.tls?.local?.dnsSans.join(',')),
  DOWNSTREAM_PEER_CERT: plain(({ connection }) => encodedPem(connection.tls?.peer)),
  DOWNSTREAM_PEER_CERT_V_START: validity(({ connection }) => connection.tls?.peer?.validFromMs),
  DOWNSTREAM_PEER_CERT_V_END: validity(({ connection }) => connection.tls?.peer?.validToMs),
  DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1: plain(({ connection }) =>
    chainOf(connection.tls?.peer)
      .map(({ fingerprint }) => bareHex(fingerprint))
      .join(','),
  ),
  DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256: plain(({ connection }) =>
    chainOf(connection.tls?.peer)
      .map(({ fingerprint256 }) => bareHex(fingerprint256))
      .join(','),
  ),
  DOWNSTREAM_PEER_CHAIN_SERIALS: plain(({ connection }) =>
    chainOf(connection.tls?.peer)
      .map(({ serialNumber }) => bareHex(serialNumber))
      .join(','),
  ),
  DOWNSTREAM_PEER_EMAIL_SAN: sans((record) => record.connection.tls?.peer?.emailSans),
  DOWNSTREAM_PEER_IP_SAN: sans((record) => record.connection.tls?.peer?.ipSans),
  DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256: plain(({ connection }) => bareHex(chainOf(connection.tls?.peer)[1]?.fingerprint256 ?? '')),
  DOWNSTREAM_PEER_ISSUER_SERIAL: plain(({ connection }) => bareHex(chainOf(connection.tls?.peer)[1]?.serialNumber ?? '')),
  DOWNSTREAM_PEER_OTHERNAME_SAN: nothing,
  DOWNSTREAM_PEER_DNS_SAN: plain(({ connection }) => connection.tls?.peer?.dnsSans.join(',')),
  DOWNSTREAM_PEER_FINGERPRINT_1: plain(({ connection }) => connection.tls?.peer && sha1Of(connection.tls.peer)),
  DOWNSTREAM_PEER_FINGERPRINT_256: plain(({ connection }) => connection.tls?.peer && bareHex(connection.tls.peer.fingerprint256)),
  DOWNSTREAM_PEER_ISSUER: plain(({ connection }) => connection.tls?.peer?.issuer),
  DOWNSTREAM_PEER_SERIAL: plain(({ connection }) => connection.tls?.peer && bareHex(connection.tls.peer.serialNumber)),
  DOWNSTREAM_PEER_SUBJECT: plain(({ connection }) => connection.tls?.peer?.subject),
  DOWNSTREAM_TLS_CIPHER: plain(({ connection }) => connection.tls?.cipher),
  DOWNSTREAM_TLS_SESSION_ID: plain(({ connection }) => connection.tls?.sessionId),
  DOWNSTREAM_TLS_VERSION: plain(({ connection }) => connection.tls?.version),
  UPSTREAM_LOCAL_IP_SAN: sans(({ upstreamTls }) => upstreamTls?.local?.ipSans),
  UPSTREAM_LOCAL_DNS_SAN: plain(({ upstreamTls }) => upstreamTls?.local?.dnsSans.join(',')),
  UPSTREAM_LOCAL_SUBJECT: plain(({ upstreamTls }) => upstreamTls?.local?.subject),
  UPSTREAM_LOCAL_URI_SAN: plain(({ upstreamTls }) => upstreamTls?.local?.uriSans.join(',')),
  UPSTREAM_PEER_CERT: plain(({ upstreamTls }) => encodedPem(upstreamTls?.peer)),
  UPSTREAM_PEER_CERT_V_START: validity(({ upstreamTls }) => upstreamTls?.peer?.validFromMs),
  UPSTREAM_PEER_CERT_V_END: validity(({ upstreamTls }) => upstreamTls?.peer?.validToMs),
  UPSTREAM_PEER_IP_SAN: sans(({ upstreamTls }) => upstreamTls?.peer?.ipSans),
  UPSTREAM_PEER_DNS_SAN: plain(({ upstreamTls }) => upstreamTls?.peer?.dnsSans.join(',')),
  UPSTREAM_PEER_ISSUER: plain(({ upstreamTls }) => upstreamTls?.peer?.issuer),
  UPSTREAM_PEER_SUBJECT: plain(({ upstreamTls }) => upstreamTls?.peer?.subject),
  UPSTREAM_TLS_SESSION_ID: plain(({ upstreamTls }) => upstreamTls?.sessionId),
  UPSTREAM_PEER_URI_SAN: plain((record) => record.upstreamPeerPrincipal),
  UPSTREAM_TLS_CIPHER: plain(({ upstreamTls }) => upstreamTls?.cipher),
  UPSTREAM_TLS_VERSION: plain(({ upstreamTls }) => upstreamTls?.version),
} satisfies Record<string, Compile>;
