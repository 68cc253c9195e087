// Writes X.509 v3 certificates and PKCS #10 requests (RFC 5280, RFC 2986).

import { createHash, type KeyObject, sign } from 'node:crypto';
import { parseIp } from '@lateen/base';
import { bitString, boolean, explicit, implicit, integer, nothing, octetString, oid, sequence, set, time, utf8String } from './der.ts';

export type SubjectName = { commonName?: string; organizations?: readonly string[] };
export type SubjectAltNames = { dnsNames?: readonly string[]; ipAddresses?: readonly string[]; uris?: readonly string[] };
export type ExtendedKeyUsage = 'server' | 'client';

export type CertificateContents = {
  serial: Uint8Array;
  /** DER Names. */
  issuer: Uint8Array;
  subject: Uint8Array;
  notBeforeMs: number;
  notAfterMs: number;
  publicKey: KeyObject;
  subjectAltNames: SubjectAltNames;
  authority: { keyId: Uint8Array | undefined };
  usage: { kind: 'authority'; pathLength: number | undefined } | { kind: 'leaf'; extended: readonly ExtendedKeyUsage[] };
};

const EMPTY_NAME_LENGTH = 2;

export function writeName({ commonName, organizations = [] }: SubjectName): Buffer {
  const attribute = (type: string, value: string) => set(sequence(oid(type), utf8String(value)));
  return sequence(
    ...organizations.map((organization) => attribute('2.5.4.10', organization)),
    ...(commonName === undefined ? [] : [attribute('2.5.4.3', commonName)]),
  );
}

/** Signs the contents with the issuer's key and gives the certificate's DER. */
export function writeCertificate(contents: CertificateContents, issuerKey: KeyObject): Buffer {
  const algorithm = signatureAlgorithm(issuerKey);
  const toBeSigned = sequence(
    explicit(0, integer(2)),
    integer(contents.serial),
    algorithm,
    contents.issuer,
    sequence(time(contents.notBeforeMs), time(contents.notAfterMs)),
    contents.subject,
    spkiOf(contents.publicKey),
    explicit(3, sequence(...extensionsOf(contents))),
  );
  return sequence(toBeSigned, algorithm, bitString(sign('sha256', toBeSigned, issuerKey)));
}

/** A certificate signing request for the key, as DER. */
export function writeCsr(
  subject: SubjectName,
  subjectAltNames: SubjectAltNames,
  key: { privateKey: KeyObject; publicKey: KeyObject },
): Buffer {
  const names = generalNames(subjectAltNames);
  const request = sequence(extension('2.5.29.17', false, names));
  const attributes = explicit(0, sequence(oid('1.2.840.113549.1.9.14'), set(request)));
  const toBeSigned = sequence(integer(0), writeName(subject), spkiOf(key.publicKey), attributes);
  return sequence(toBeSigned, signatureAlgorithm(key.privateKey), bitString(sign('sha256', toBeSigned, key.privateKey)));
}

export function keyIdOf(publicKey: KeyObject): Buffer {
  return createHash('sha256').update(spkiOf(publicKey)).digest().subarray(0, 20);
}

const spkiOf = (publicKey: KeyObject): Buffer => publicKey.export({ type: 'spki', format: 'der' });

function signatureAlgorithm(key: KeyObject): Buffer {
  if (key.asymmetricKeyType === 'ec') return sequence(oid('1.2.840.10045.4.3.2'));
  if (key.asymmetricKeyType === 'rsa') return sequence(oid('1.2.840.113549.1.1.11'), nothing);
  throw new TypeError(`cannot sign certificates with a key of type ${key.asymmetricKeyType}`);
}

function extension(id: string, critical: boolean, value: Uint8Array): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octetString(value));
}

function extensionsOf({ usage, publicKey, authority, subjectAltNames, subject }: CertificateContents): Buffer[] {
  const extensions: Buffer[] = [];
  if (usage.kind === 'authority') {
    const pathLength = usage.pathLength === undefined ? [] : [integer(usage.pathLength)];
    extensions.push(extension('2.5.29.19', true, sequence(boolean(true), ...pathLength)));
    extensions.push(extension('2.5.29.15', true, bitString(Buffer.from([0b0000_0110]), 1))); // keyCertSign, cRLSign
  } else {
    extensions.push(extension('2.5.29.19', true, sequence()));
    extensions.push(extension('2.5.29.15', true, bitString(Buffer.from([0b1010_0000]), 5))); // digitalSignature, keyEncipherment
    const purposes = usage.extended.map((one) => oid(one === 'server' ? '1.3.6.1.5.5.7.3.1' : '1.3.6.1.5.5.7.3.2'));
    extensions.push(extension('2.5.29.37', false, sequence(...purposes)));
  }
  extensions.push(extension('2.5.29.14', false, octetString(keyIdOf(publicKey))));
  if (authority.keyId) extensions.push(extension('2.5.29.35', false, sequence(implicit(0, authority.keyId))));
  const names = generalNames(subjectAltNames);
  // With an empty subject the alternative names must be critical (RFC 5280, 4.2.1.6; SPIFFE X.509-SVID, 4.1).
  if (names.length > EMPTY_NAME_LENGTH) extensions.push(extension('2.5.29.17', subject.length === EMPTY_NAME_LENGTH, names));
  return extensions;
}

function generalNames({ dnsNames = [], ipAddresses = [], uris = [] }: SubjectAltNames): Buffer {
  const ip = (text: string): Uint8Array => {
    const bytes = parseIp(text);
    if (!bytes) throw new TypeError(`${JSON.stringify(text)} is not an IP address`);
    return bytes;
  };
  return sequence(
    ...dnsNames.map((name) => implicit(2, Buffer.from(name, 'ascii'))),
    ...uris.map((uri) => implicit(6, Buffer.from(uri, 'ascii'))),
    ...ipAddresses.map((text) => implicit(7, ip(text))),
  );
}
