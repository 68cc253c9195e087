// Subject alternative names straight from the DER. Node's `subjectAltName` is one string in which names can hide inside names.

import { fail, ok, type Result } from '@lateen/base';
import { extensionOf } from './certificate-extension.ts';
import { childrenOf, DerError, expectTag, oidText, readTlv } from './der-reader.ts';

export type SubjectAltNames = {
  readonly dns: readonly string[];
  readonly uri: readonly string[];
  readonly email: readonly string[];
  /** In the usual text form. */
  readonly ip: readonly string[];
  readonly otherName: readonly { readonly oid: string; readonly text: string }[];
};

const NONE: SubjectAltNames = { dns: [], uri: [], email: [], ip: [], otherName: [] };
const SEQUENCE = 0x30;
const OID = 6;
const SUBJECT_ALT_NAME = '2.5.29.17';
const MAX_NAMES = 1000;

/** The names of a certificate. A name with control characters or beyond ASCII refuses the certificate: it can only deceive. */
export function subjectAltNamesOf(certificateDer: Uint8Array): Result<SubjectAltNames> {
  try {
    const extension = extensionOf(certificateDer, SUBJECT_ALT_NAME);
    return extension ? readNames(extension) : ok(NONE);
  } catch (error) {
    if (error instanceof DerError) return fail(`the certificate cannot be read: ${error.message}`);
    throw error;
  }
}

function readNames(extension: Uint8Array): Result<SubjectAltNames> {
  const entries = childrenOf(expectTag(readTlv(extension, 0), SEQUENCE));
  if (entries.length > MAX_NAMES) return fail(`more than ${MAX_NAMES} subject alternative names`);
  const names = { dns: [] as string[], uri: [] as string[], email: [] as string[], ip: [] as string[], otherName: [] as OtherName[] };
  for (const { tag, body } of entries) {
    switch (tag) {
      case 0x81:
      case 0x82:
      case 0x86: {
        const text = printable(body);
        if (text === undefined) return fail('a subject alternative name has characters that no name has');
        (tag === 0x81 ? names.email : tag === 0x82 ? names.dns : names.uri).push(text);
        break;
      }
      case 0x87: {
        const text = ipText(body);
        if (text === undefined) return fail('a subject alternative name has an IP address of a wrong length');
        names.ip.push(text);
        break;
      }
      case 0xa0:
        names.otherName.push(readOtherName(body));
        break;
      // Directory names and the like are nobody's identity here.
      default:
    }
  }
  return ok(names);
}

type OtherName = SubjectAltNames['otherName'][number];

function readOtherName(body: Uint8Array): OtherName {
  const [id, wrapped] = childrenOf(body);
  const value = readTlv(expectTag(wrapped, 0xa0), 0);
  return { oid: oidText(expectTag(id, OID)), text: Buffer.from(value.body).toString('utf8') };
}

function printable(bytes: Uint8Array): string | undefined {
  for (const byte of bytes) if (byte < 0x20 || byte > 0x7e) return undefined;
  return Buffer.from(bytes).toString('latin1');
}

function ipText(bytes: Uint8Array): string | undefined {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return undefined;
  const groups = Array.from({ length: 8 }, (_, i) => (((bytes[2 * i] as number) << 8) | (bytes[2 * i + 1] as number)).toString(16));
  // The URL parser knows the canonical form (RFC 5952).
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
