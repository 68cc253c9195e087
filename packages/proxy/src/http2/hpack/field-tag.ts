// What a field's name and value say about it, worked out once when the field is received as a literal and kept with its entry in the
// dynamic table: an indexed field is validated without looking at its bytes again.

import { FIELD_VALUE, SP, TAB, TOKEN_LOWER } from '../../http/bytes.ts';
import { idOfBytes } from '../../http/known-headers.ts';
import { NameIndex } from './name-index.ts';
import { STATIC_FIELDS, staticIndexOf } from './static-fields.ts';

/** Known header number + 1 (see `known-headers`); 0 for all others. */
export const KNOWN_MASK = 0xff;
/** Which pseudo header it is, shifted by PSEUDO_SHIFT; 0 for regular fields. */
export const PSEUDO_MASK = 0x700;
export const PSEUDO_SHIFT = 8;
export const METHOD = 0x100;
export const SCHEME = 0x200;
export const AUTHORITY = 0x300;
export const PATH = 0x400;
export const STATUS = 0x500;
export const PROTOCOL = 0x600;
export const UNKNOWN_PSEUDO = 0x700;
/** The name is empty, holds what no name may hold, or upper case (RFC 9113 8.2.1). */
export const BAD_NAME = 0x800;
/** The value holds NUL, CR, LF or another control. */
export const BAD_VALUE = 0x1000;
export const COOKIE = 0x2000;
/** Speaks about the connection, which HTTP/2 forbids (RFC 9113 8.2.2); `te` is judged by its value. */
export const CONNECTION_SPECIFIC = 0x4000;
/** The sender forbids indexing it anywhere (RFC 7541 6.2.3). */
export const NEVER_INDEXED = 0x8000;
/** The value begins or ends with white space. */
export const PADDED_VALUE = 0x80_0000;
/** The name's index in the static table, shifted; 0 for names that are not there. */
export const STATIC_SHIFT = 16;
const STATIC_MASK = 0x7f_0000;

/** The part that belongs to the name. */
export const NAME_TAG = KNOWN_MASK | PSEUDO_MASK | BAD_NAME | COOKIE | CONNECTION_SPECIFIC | STATIC_MASK;

const PSEUDO: ReadonlyMap<string, number> = new Map([
  [':method', METHOD],
  [':scheme', SCHEME],
  [':authority', AUTHORITY],
  [':path', PATH],
  [':status', STATUS],
  [':protocol', PROTOCOL],
]);

/** Names that HTTP/2 has no place for. */
export const CONNECTION_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

const COLON = 58;
const SPECIAL = new NameIndex([...STATIC_FIELDS.map(([name]) => name), ...CONNECTION_HEADERS, ...PSEUDO.keys()]);
const SPECIAL_TAGS: number[] = [];
for (let at = 0; SPECIAL.nameAt(at) !== undefined; at++) {
  const name = SPECIAL.nameAt(at);
  SPECIAL_TAGS.push(
    (staticIndexOf(name) << STATIC_SHIFT) |
      (PSEUDO.get(name) ?? 0) |
      (name === 'cookie' ? COOKIE : 0) |
      (CONNECTION_HEADERS.has(name) ? CONNECTION_SPECIFIC : 0),
  );
}

/** The tag of the name in `bytes[start, end)`. */
export function tagOfName(bytes: Buffer, start: number, end: number): number {
  if (start === end) return BAD_NAME;
  const special = SPECIAL.find(bytes, start, end);
  let tag = special >= 0 ? (SPECIAL_TAGS[special] as number) : 0;
  if (bytes[start] === COLON) return tag === 0 ? UNKNOWN_PSEUDO : tag;
  if (special < 0) {
    for (let at = start; at < end; at++) {
      const byte = bytes[at] as number;
      // NUL maps to itself, as "no token".
      if (byte === 0 || TOKEN_LOWER[byte] !== byte) return BAD_NAME;
    }
  }
  tag |= idOfBytes(bytes, start, end) + 1;
  return tag;
}

/** BAD_VALUE, PADDED_VALUE or 0. */
export function tagOfValue(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return 0;
  for (let at = start; at < end; at++) if (FIELD_VALUE[bytes[at] as number] === 0) return BAD_VALUE;
  return isBlank(bytes[start] as number) || isBlank(bytes[end - 1] as number) ? PADDED_VALUE : 0;
}

export const isBlank = (byte: number): boolean => byte === SP || byte === TAB;
