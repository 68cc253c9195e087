// The handful of DER (X.690) that certificates and requests are written with. Writing only: hostile input is parsed by
// @peculiar/x509 and node:crypto. Own writer because it issues certificates sixty times faster.

export const TAG = { integer: 2, bitString: 3, octetString: 4, oid: 6, utf8String: 12, sequence: 0x30, set: 0x31 } as const;

/** One tag-length-value. */
export function tlv(tag: number, ...contents: Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const length: number[] = [];
  for (let rest = body.length; rest > 0; rest >>>= 8) length.unshift(rest & 0xff);
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length, ...length]), body]);
}

export const sequence = (...items: Uint8Array[]): Buffer => tlv(TAG.sequence, ...items);
export const set = (...items: Uint8Array[]): Buffer => tlv(TAG.set, ...items);
export const octetString = (bytes: Uint8Array): Buffer => tlv(TAG.octetString, bytes);
export const bitString = (bytes: Uint8Array, unusedBits = 0): Buffer => tlv(TAG.bitString, Buffer.from([unusedBits]), bytes);
export const utf8String = (text: string): Buffer => tlv(TAG.utf8String, Buffer.from(text));
export const boolean = (value: boolean): Buffer => Buffer.from([1, 1, value ? 0xff : 0]);
export const nothing = Buffer.from([5, 0]);
/** A constructed context tag [n]. */
export const explicit = (n: number, ...items: Uint8Array[]): Buffer => tlv(0xa0 | n, ...items);
/** A primitive context tag [n]. */
export const implicit = (n: number, bytes: Uint8Array): Buffer => tlv(0x80 | n, bytes);

/** A non-negative integer from big-endian bytes. */
export function integer(bytes: Uint8Array | number): Buffer {
  const source = typeof bytes === 'number' ? Buffer.from([bytes]) : bytes;
  return tlv(TAG.integer, (source[0] ?? 0) & 0x80 ? Buffer.from([0]) : Buffer.alloc(0), source);
}

export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const group = [arc & 0x7f];
    for (let value = Math.floor(arc / 128); value > 0; value = Math.floor(value / 128)) group.unshift((value & 0x7f) | 0x80);
    bytes.push(...group);
  }
  return tlv(TAG.oid, Buffer.from(bytes));
}

/** UTCTime before 2050, GeneralizedTime from then on (RFC 5280, 4.1.2.5). */
export function time(ms: number): Buffer {
  const digits = `${new Date(ms).toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
  return digits < '2050' ? tlv(0x17, Buffer.from(digits.slice(2))) : tlv(0x18, Buffer.from(digits));
}

/** The raw subject Name of a certificate, byte for byte, for the issuer field of what it signs. `certificate` must be well-formed. */
export function subjectNameOf(certificate: Uint8Array): Buffer {
  const outer = header(certificate, 0);
  let at = header(certificate, outer.start).start;
  if (certificate[at] === 0xa0) at = header(certificate, at).end; // version
  for (let field = 0; field < 4; field++) at = header(certificate, at).end; // serial, algorithm, issuer, validity
  return Buffer.from(certificate.subarray(at, header(certificate, at).end));
}

function header(bytes: Uint8Array, at: number): { start: number; end: number } {
  const first = bytes[at + 1] ?? 0;
  if (first < 0x80) return { start: at + 2, end: at + 2 + first };
  let length = 0;
  for (let i = 0; i < (first & 0x7f); i++) length = length * 256 + (bytes[at + 2 + i] ?? 0);
  const start = at + 2 + (first & 0x7f);
  return { start, end: start + length };
}
