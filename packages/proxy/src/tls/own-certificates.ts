// Which of a context's certificates a client gets: by the name it asks for, then by the kind of key that it understands.

import type { X509Certificate } from 'node:crypto';
import { parseCertificates } from '@lateen/pki';
import type { CertificateFacts } from '../io/tls-facts.ts';
import type { CertificateSecret } from '../runtime/model.ts';
import { certificateFacts } from './certificate-facts.ts';
import { subjectAltNamesOf } from './subject-alt-names.ts';

export type OwnCertificate = {
  readonly secret: CertificateSecret;
  readonly facts: CertificateFacts | undefined;
  readonly keyType: string;
  /** Lower case; a wildcard as "*.example.com". */
  readonly dnsNames: readonly string[];
  /** URI and DNS names: what stays when it is renewed. */
  readonly identity: string;
};

export function ownCertificate(secret: CertificateSecret): OwnCertificate {
  const chain = parseCertificates(secret.chainPem);
  const certificates = chain.ok ? chain.value : [];
  const leaf = certificates[0];
  const names = leaf ? subjectAltNamesOf(leaf.raw) : undefined;
  const sans = names?.ok ? names.value : undefined;
  const dnsNames = sans && sans.dns.length > 0 ? sans.dns : commonNames(leaf);
  return {
    secret,
    facts: certificateFacts(certificates),
    keyType: leaf?.publicKey.asymmetricKeyType ?? '',
    dnsNames: dnsNames.map((name) => name.toLowerCase()),
    identity: JSON.stringify([sans?.uri ?? [], sans?.dns ?? [], dnsNames]),
  };
}

function commonNames(leaf: X509Certificate | undefined): string[] {
  return (leaf?.subject ?? '').split('\n').flatMap((line) => (line.startsWith('CN=') ? [line.slice(3)] : []));
}

/**
 * The certificates to offer for a server name, at most one of each kind of key: those of the exact name, else of its wildcard, else
 * the first of all (or any, with `fullScan`).
 */
export function certificatesFor(all: readonly OwnCertificate[], serverName: string, fullScan: boolean): readonly OwnCertificate[] {
  const first = all[0];
  if (!first || all.length === 1) return all;
  const dot = serverName.indexOf('.');
  const wanted = [serverName, ...(dot > 0 ? [`*${serverName.slice(dot)}`] : [])];
  for (const name of wanted) {
    const named = name === '' ? [] : all.filter(({ dnsNames }) => dnsNames.includes(name));
    if (named.length > 0) return onePerKey(named);
  }
  return fullScan ? onePerKey(all) : [first];
}

function onePerKey(certificates: readonly OwnCertificate[]): OwnCertificate[] {
  return certificates.filter(({ keyType }, i) => certificates.findIndex((one) => one.keyType === keyType) === i);
}
