// Certificate signing requests (PKCS #10): writing our own, and reading those of strangers.

import { createPublicKey } from 'node:crypto';
import { fail, messageOf, ok, type Result } from '@lateen/base';
import { type SubjectAltNames, type SubjectName, writeCsr } from './certificate-writer.ts';
import { type KeyPair, weakKeyReason } from './keys.ts';
import { formatPem, parsePem } from './pem.ts';
import { x509 } from './x509.ts';

export type CertificateRequest = {
  /** SubjectPublicKeyInfo. */
  publicKeyDer: Buffer;
  /** What the requester claims. */
  subjectAltNames: { dnsNames: string[]; ipAddresses: string[]; uris: string[] };
};

const MAX_CSR_BYTES = 64 * 1024;

/** A request for the key, as PEM. */
export function createCsr(options: { key: KeyPair; subject?: SubjectName; subjectAltNames?: SubjectAltNames }): string {
  return formatPem('CERTIFICATE REQUEST', writeCsr(options.subject ?? {}, options.subjectAltNames ?? {}, options.key));
}

/** Reads a request (PEM or DER) and checks that its signature proves possession of a key that may be certified. */
export async function parseCsr(csr: string | Uint8Array): Promise<Result<CertificateRequest>> {
  if (csr.length > MAX_CSR_BYTES) return fail('the certificate request is too large');
  let der: Uint8Array;
  if (typeof csr === 'string') {
    const blocks = parsePem('CERTIFICATE REQUEST', csr);
    if (!blocks.ok) return blocks;
    der = blocks.value[0] as Buffer;
  } else der = csr;
  try {
    const { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } = x509();
    const request = new Pkcs10CertificateRequest(new Uint8Array(der));
    const publicKeyDer = Buffer.from(request.publicKey.rawData);
    const weakness = weakKeyReason(createPublicKey({ key: publicKeyDer, format: 'der', type: 'spki' }));
    if (weakness) return fail(weakness);
    if (!(await request.verify())) return fail('the signature of the certificate request is wrong');
    const extension = request.extensions.find((one) => one instanceof SubjectAlternativeNameExtension);
    const names = extension?.names.toJSON() ?? [];
    const valuesOf = (type: string) => names.filter((name) => name.type === type).map((name) => name.value);
    return ok({ publicKeyDer, subjectAltNames: { dnsNames: valuesOf('dns'), ipAddresses: valuesOf('ip'), uris: valuesOf('url') } });
  } catch (error) {
    return fail(`the certificate request cannot be read: ${messageOf(error)}`);
  }
}
