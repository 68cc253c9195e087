import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { fail, messageOf, ok, type Result } from '@lateen/base';

export type KeyAlgorithm = 'ecdsa-p256' | 'rsa-2048';

export type KeyPair = {
  privateKey: KeyObject;
  publicKey: KeyObject;
  /** PKCS #8. */
  keyPem: string;
};

/** A fresh key pair; default ECDSA P-256 (0.1 ms; RSA takes some 100 ms). */
export function generateKeyPair(algorithm: KeyAlgorithm = 'ecdsa-p256'): KeyPair {
  const { privateKey, publicKey } =
    algorithm === 'rsa-2048' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { privateKey, publicKey, keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

/** Reads a private key (PKCS #8, SEC 1 or PKCS #1). */
export function parseKeyPair(keyPem: string): Result<KeyPair> {
  try {
    const privateKey = createPrivateKey(keyPem);
    return ok({ privateKey, publicKey: createPublicKey(privateKey), keyPem });
  } catch (error) {
    return fail(`not a private key: ${messageOf(error)}`);
  }
}

/** Why a public key must not be certified, or undefined: allowed are EC P-256/P-384/P-521, Ed25519 and RSA of 2048 to 8192 bits. */
export function weakKeyReason(key: KeyObject): string | undefined {
  const details = key.asymmetricKeyDetails;
  switch (key.asymmetricKeyType) {
    case 'ec':
      return ['prime256v1', 'secp384r1', 'secp521r1'].includes(details?.namedCurve ?? '')
        ? undefined
        : `the curve ${details?.namedCurve} is not allowed`;
    case 'ed25519':
      return undefined;
    case 'rsa': {
      const bits = details?.modulusLength ?? 0;
      return bits >= 2048 && bits <= 8192 ? undefined : `an RSA key must have 2048 to 8192 bits, not ${bits}`;
    }
    default:
      return `keys of type ${key.asymmetricKeyType} are not allowed`;
  }
}
