// Whether OpenSSL can work with a secret, asked before it comes into force: what it cannot read must not replace what it could.

import { createPrivateKey, type X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { messageOf } from '@lateen/base';
import { parseCertificates } from '@lateen/pki';
import type { CertificateSecret, SecretRuntime, ValidationRuntime } from '../runtime/model.ts';

/** Why the secret cannot be used; undefined when it can. */
export function secretProblem(secret: SecretRuntime): string | undefined {
  try {
    switch (secret.kind) {
      case 'certificate':
        return certificateProblem(secret);
      case 'validation':
        return validationProblem(secret.validation);
      case 'ticket_keys':
        return secret.keys.every((key) => key.length === TICKET_KEY_BYTES) ? undefined : 'a session ticket key must have 80 bytes';
      case 'generic':
        return undefined;
    }
  } catch (error) {
    return messageOf(error);
  }
}
const TICKET_KEY_BYTES = 80;
const MIN_RSA_BITS = 2048;

function certificateProblem({ chainPem, keyPem, passphrase }: CertificateSecret): string | undefined {
  const chain = parseCertificates(chainPem);
  if (!chain.ok) return `certificate_chain: ${chain.error}`;
  let key: ReturnType<typeof createPrivateKey>;
  try {
    key = createPrivateKey(passphrase === '' ? keyPem : { key: keyPem, passphrase });
  } catch {
    // OpenSSL's words could repeat parts of the key.
    return 'private_key: cannot be read';
  }
  const leaf = chain.value[0] as X509Certificate;
  if (!leaf.checkPrivateKey(key)) return 'private_key does not belong to the first certificate of certificate_chain';
  if (key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < MIN_RSA_BITS) {
    return `certificate_chain: RSA keys must have at least ${MIN_RSA_BITS} bits`;
  }
  return undefined;
}

function validationProblem({ trustedCaPem, crlPem, trustDomains }: ValidationRuntime): string | undefined {
  if (trustedCaPem !== '') {
    const roots = parseCertificates(trustedCaPem);
    if (!roots.ok) return `trusted_ca: ${roots.error}`;
  }
  for (const [domain, pem] of trustDomains) {
    const roots = parseCertificates(pem);
    if (!roots.ok) return `trust domain ${domain}: ${roots.error}`;
  }
  if (crlPem !== '') {
    try {
      createSecureContext({ ca: [], crl: crlPem });
    } catch {
      return 'crl: cannot be read';
    }
  }
  return undefined;
}
