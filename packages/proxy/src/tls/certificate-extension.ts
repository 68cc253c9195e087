import { childrenOf, DerError, expectTag, oidText, readTlv } from './der-reader.ts';

const SEQUENCE = 0x30;
const OCTET_STRING = 4;
const OID = 6;
const BIT_STRING = 3;
const KEY_USAGE = '2.5.29.15';
const DIGITAL_SIGNATURE = 0x80;

/** The value of an extension; undefined when the certificate does not have it. @throws DerError */
export function extensionOf(certificateDer: Uint8Array, oid: string): Uint8Array | undefined {
  const certificate = expectTag(readTlv(certificateDer, 0), SEQUENCE);
  const toBeSigned = childrenOf(expectTag(readTlv(certificate, 0), SEQUENCE));
  const wrapped = toBeSigned.find(({ tag }) => tag === 0xa3);
  if (!wrapped) return undefined;
  const found = childrenOf(expectTag(readTlv(wrapped.body, 0), SEQUENCE))
    .map((extension) => childrenOf(expectTag(extension, SEQUENCE)))
    .filter(([id]) => oidText(expectTag(id, OID)) === oid);
  if (found.length > 1) throw new DerError('an extension occurs twice');
  return found[0] && expectTag(found[0].at(-1), OCTET_STRING);
}

/** Whether the key may sign handshakes: it may when nothing is said about its usage. @throws DerError */
export function maySign(certificateDer: Uint8Array): boolean {
  const usage = extensionOf(certificateDer, KEY_USAGE);
  if (!usage) return true;
  const bits = expectTag(readTlv(usage, 0), BIT_STRING);
  return ((bits[1] ?? 0) & DIGITAL_SIGNATURE) !== 0;
}
