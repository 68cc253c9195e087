export {
  type AuthorityFiles,
  type CertificateAuthority,
  type CertificateAuthorityOptions,
  createCertificateAuthority,
  type IssuedCertificate,
  type LeafOptions,
  loadCertificateAuthority,
  type SignedCertificate,
} from './certificate-authority.ts';
export type { ExtendedKeyUsage, SubjectAltNames, SubjectName } from './certificate-writer.ts';
export { type CertificateRequest, createCsr, parseCsr } from './csr.ts';
export { generateKeyPair, type KeyAlgorithm, type KeyPair, parseKeyPair } from './keys.ts';
export { formatPem, parseCertificates, parsePem } from './pem.ts';
export { formatWorkloadIdentity, parseSpiffeId, parseWorkloadIdentity, type SpiffeId, type WorkloadIdentity } from './spiffe.ts';
export { spiffeIdOf, type VerifyOptions, verifyChain } from './verify.ts';
