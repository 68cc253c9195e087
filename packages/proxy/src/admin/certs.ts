// /certs: the certificates of every TLS context in force, in Envoy's shape.

import type { X509Certificate } from 'node:crypto';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { parseCertificates } from '@lateen/pki';
import { adminCerts } from '@lateen/xds/messages/admin';
import { secretsOfCluster, secretsOfListener } from '../ads/secret-table.ts';
import type { Runtime, SecretRuntime } from '../runtime/model.ts';
import { resolveSecret } from '../tls/server-contexts.ts';
import { subjectAltNamesOf } from '../tls/subject-alt-names.ts';
import { replyJson } from './clusters.ts';
import type { EndpointReply } from './http-endpoint.ts';

type Details = MessageInitShape<typeof adminCerts.CertificateDetailsSchema>;
type Entry = MessageInitShape<typeof adminCerts.CertificateSchema>;

const DAY_MS = 86_400_000;

/** Each pair of a certificate and what peers are checked against, once. */
export function certificatesOf(runtime: Runtime, nowMs: number): Entry[] {
  const seen = new Map<string, Entry>();
  const contexts = [...[...runtime.listeners.values()].map(secretsOfListener), ...[...runtime.clusters.values()].map(secretsOfCluster)];
  for (const refs of contexts) {
    const secrets = refs.flatMap((ref) => resolveSecret(ref, (key) => runtime.secrets.get(key)) ?? []);
    const caCert = secrets.flatMap((secret) => authorityDetails(secret, nowMs));
    const certChain = secrets.flatMap((secret) => chainDetails(secret, nowMs));
    if (caCert.length + certChain.length === 0) continue;
    seen.set(JSON.stringify([caCert.map((one) => one.serialNumber), certChain.map((one) => one.serialNumber)]), { caCert, certChain });
  }
  return [...seen.values()];
}

export const replyCertificates = (runtime: Runtime, nowMs: number): EndpointReply =>
  replyJson(adminCerts.CertificatesSchema, create(adminCerts.CertificatesSchema, { certificates: certificatesOf(runtime, nowMs) }), true);

function authorityDetails(secret: SecretRuntime, nowMs: number): Details[] {
  if (secret.kind !== 'validation') return [];
  const { trustedCaPem, trustedCaPath, trustDomains } = secret.validation;
  if (trustDomains.size > 0) return [...trustDomains].flatMap(([domain, pem]) => detailsOf(pem, `${domain}: <inline>`, nowMs));
  return detailsOf(trustedCaPem, trustedCaPath, nowMs);
}

const chainDetails = (secret: SecretRuntime, nowMs: number): Details[] =>
  secret.kind === 'certificate' ? detailsOf(secret.chainPem, secret.chainPath, nowMs).slice(0, 1) : [];

function detailsOf(pem: string, path: string, nowMs: number): Details[] {
  const certificates = parseCertificates(pem);
  return certificates.ok ? certificates.value.map((certificate) => describe(certificate, path, nowMs)) : [];
}

function describe(certificate: X509Certificate, path: string, nowMs: number): Details {
  const names = subjectAltNamesOf(certificate.raw);
  const { dns = [], uri = [], ip = [] } = names.ok ? names.value : {};
  const expiresMs = Date.parse(certificate.validTo);
  return {
    path,
    serialNumber: certificate.serialNumber.toLowerCase(),
    subjectAltNames: [
      ...dns.map((value) => ({ name: { case: 'dns' as const, value } })),
      ...uri.map((value) => ({ name: { case: 'uri' as const, value } })),
      ...ip.map((value) => ({ name: { case: 'ipAddress' as const, value } })),
    ],
    daysUntilExpiration: BigInt(Math.max(0, Math.floor((expiresMs - nowMs) / DAY_MS))),
    validFrom: timestampFromMs(Date.parse(certificate.validFrom)),
    expirationTime: timestampFromMs(expiresMs),
  };
}
