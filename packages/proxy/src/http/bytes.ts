// Byte classes of HTTP/1.1 (RFC 9110 5.6.2, RFC 9112) as 256-entry tables.

/** Token bytes map to their lower case, all others to 0. */
export const TOKEN_LOWER = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") TOKEN_LOWER[char.charCodeAt(0)] = char.charCodeAt(0);
for (let upper = 65; upper <= 90; upper++) TOKEN_LOWER[upper] = upper + 32;

/** 1 for bytes that a field value may hold: tab, visible characters, space, and opaque bytes above 0x7f. */
export const FIELD_VALUE = new Uint8Array(256);
FIELD_VALUE[9] = 1;
for (let byte = 0x20; byte < 256; byte++) if (byte !== 0x7f) FIELD_VALUE[byte] = 1;

/** 1 for bytes that a request target may hold: visible ASCII. */
export const TARGET = new Uint8Array(256);
for (let byte = 0x21; byte < 0x7f; byte++) TARGET[byte] = 1;

/** The value of a hexadecimal digit, or -1. */
export function hexValue(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

export const CR = 13;
export const LF = 10;
export const SP = 32;
export const TAB = 9;
export const COLON = 58;

const LOOP_CHARACTERS = 8;

type Latin1Buffer = Buffer & { latin1Write(text: string, at: number): number };
// What `write` calls after it has looked at its arguments; a third of its cost.
const hasLatin1Write = typeof (Buffer.prototype as Latin1Buffer).latin1Write === 'function';

/** Writes latin1 text; returns the end. Only very short text is cheaper in a loop than in a call into C++ (4 ns a character). */
export function writeText(out: Buffer, at: number, text: string): number {
  const { length } = text;
  if (length > LOOP_CHARACTERS) return at + (hasLatin1Write ? (out as Latin1Buffer).latin1Write(text, at) : out.write(text, at, 'latin1'));
  for (let i = 0; i < length; i++) out[at + i] = text.charCodeAt(i);
  return at + length;
}

/** Whether `bytes[start, end)` is exactly the ASCII text. */
export function equalsAscii(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false;
  return true;
}

/** As `equalsAscii`, letters of either case; `lowerText` in lower case. */
export function equalsAsciiIgnoreCase(bytes: Uint8Array, start: number, end: number, lowerText: string): boolean {
  if (end - start !== lowerText.length) return false;
  for (let i = 0; i < lowerText.length; i++) {
    const byte = bytes[start + i] as number;
    const lower = byte >= 65 && byte <= 90 ? byte + 32 : byte;
    if (lower !== lowerText.charCodeAt(i)) return false;
  }
  return true;
}
