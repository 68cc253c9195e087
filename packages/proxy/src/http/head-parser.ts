// Parses the head of a message in one pass over its bytes (RFC 9112, strictly: CRLF only, no folding, no white space before
// the colon, one space between the parts of the request line). Names are put into lower case in place.

import { COLON, CR, FIELD_VALUE, LF, SP, TAB, TARGET, TOKEN_LOWER } from './bytes.ts';
import type { Head } from './head.ts';
import { FIRST_ENVOY_ID, idOfBytes } from './known-headers.ts';

/** The bytes so far are fine, but the head is not complete. */
export const INCOMPLETE = 0;

/** What a negative result means: the answer to give, Envoy's response code details. */
export type HeadFault = { readonly status: number; readonly details: string /** Default: the status in words. */; readonly body?: string };

const FAULTS: readonly HeadFault[] = [
  { status: 400, details: 'http1.codec_error' },
  { status: 431, details: 'http1.headers_too_large' },
  { status: 431, details: 'http1.too_many_headers' },
  { status: 505, details: 'http1.unsupported_version' },
];
const BAD = -1;
const TOO_LARGE = -2;
const TOO_MANY = -3;
const BAD_VERSION = -4;

/** The fault behind a negative result of the parsers. */
export const faultOf = (result: number): HeadFault => FAULTS[-1 - result] as HeadFault;

export type HeadLimits = { readonly maxBytes: number; readonly maxCount: number };

/**
 * Parses a request head in `bytes[start, end)`. Returns its size, `INCOMPLETE`, or a negative fault. Offsets in `head` count
 * from `start`; the caller lets the head `adopt` the bytes.
 */
export function parseRequestHead(head: Head, bytes: Uint8Array, start: number, end: number, limits: HeadLimits): number {
  head.reset();
  let at = start;
  while (at < end && TOKEN_LOWER[bytes[at] as number] !== 0) at++;
  head.methodStart = 0;
  head.methodEnd = at - start;
  if (at === end) return unfinished(at - start, limits);
  if (at === start || bytes[at] !== SP) return BAD;
  const targetStart = ++at;
  while (at < end && TARGET[bytes[at] as number] === 1) at++;
  head.targetStart = targetStart - start;
  head.targetEnd = at - start;
  if (at === end) return unfinished(at - start, limits);
  if (at === targetStart || bytes[at] !== SP) return BAD;
  const version = parseVersion(bytes, at + 1, end);
  if (version <= 0) return version === INCOMPLETE ? unfinished(end - start, limits) : version;
  head.version = version;
  at += 9;
  if (at + 1 < end) return bytes[at] === CR && bytes[at + 1] === LF ? parseLines(head, bytes, start, at + 2, end, limits) : BAD;
  return at < end && bytes[at] !== CR ? BAD : unfinished(end - start, limits);
}

/** As `parseRequestHead`, for a response. */
export function parseResponseHead(head: Head, bytes: Uint8Array, start: number, end: number, limits: HeadLimits): number {
  head.reset();
  const version = parseVersion(bytes, start, end);
  if (version <= 0) return version === INCOMPLETE ? unfinished(end - start, limits) : version;
  head.version = version;
  let at = start + 8;
  if (at + 4 >= end) return unfinished(end - start, limits);
  if (bytes[at] !== SP) return BAD;
  let status = 0;
  for (let i = 1; i <= 3; i++) {
    const digit = (bytes[at + i] as number) - 48;
    if (!(digit >= 0 && digit <= 9)) return BAD;
    status = status * 10 + digit;
  }
  if (status < 100) return BAD;
  head.status = status;
  at += 4;
  // The reason phrase may be missing together with its space.
  if (bytes[at] === SP) at++;
  else if (bytes[at] !== CR) return BAD;
  while (at < end && FIELD_VALUE[bytes[at] as number] === 1) at++;
  if (at + 1 < end) return bytes[at] === CR && bytes[at + 1] === LF ? parseLines(head, bytes, start, at + 2, end, limits) : BAD;
  return at < end && bytes[at] !== CR ? BAD : unfinished(end - start, limits);
}

/** Parses trailer lines up to and including the empty line, with the same results. */
export function parseTrailers(head: Head, bytes: Uint8Array, start: number, end: number, limits: HeadLimits): number {
  head.reset();
  return parseLines(head, bytes, start, start, end, limits);
}

function parseLines(head: Head, bytes: Uint8Array, start: number, from: number, end: number, limits: HeadLimits): number {
  const { spans, odd, dropped, first } = head;
  let at = from;
  let line = 0;
  for (;;) {
    if (at >= end) return unfinished(end - start, limits);
    if (bytes[at] === CR) {
      if (at + 1 >= end) return unfinished(end - start, limits);
      if (bytes[at + 1] !== LF) return BAD;
      head.count = line;
      const size = at + 2 - start;
      return size > limits.maxBytes ? TOO_LARGE : size;
    }
    const nameStart = at;
    for (; at < end; at++) {
      const lower = TOKEN_LOWER[bytes[at] as number] as number;
      if (lower === 0) break;
      bytes[at] = lower;
    }
    if (at >= end) return unfinished(end - start, limits);
    const nameEnd = at;
    if (nameEnd === nameStart || bytes[at] !== COLON) return BAD;
    at++;
    while (at < end && (bytes[at] === SP || bytes[at] === TAB)) at++;
    const valueStart = at;
    while (at < end && FIELD_VALUE[bytes[at] as number] === 1) at++;
    if (at >= end) return unfinished(end - start, limits);
    if (bytes[at] !== CR) return BAD;
    if (at + 1 >= end) return unfinished(end - start, limits);
    if (bytes[at + 1] !== LF) return BAD;
    let valueEnd = at;
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === TAB)) valueEnd--;
    if (line === limits.maxCount) return TOO_MANY;
    const slot = line * 4;
    spans[slot] = nameStart - start;
    spans[slot + 1] = nameEnd - start;
    spans[slot + 2] = valueStart - start;
    spans[slot + 3] = valueEnd - start;
    odd[line] = valueStart === nameEnd + 2 && bytes[nameEnd + 1] === SP && valueEnd === at ? 0 : 1;
    dropped[line] = 0;
    const id = idOfBytes(bytes, nameStart, nameEnd);
    if (id >= 0) {
      if ((first[id] as number) < 0) first[id] = line;
      else head.hasRepeats = true;
      if (id >= FIRST_ENVOY_ID) head.hasEnvoyHeaders = true;
    }
    line++;
    at += 2;
  }
}

const unfinished = (size: number, limits: HeadLimits): number => (size > limits.maxBytes ? TOO_LARGE : INCOMPLETE);

const VERSION = Uint8Array.from('HTTP/', (char) => char.charCodeAt(0));

function parseVersion(bytes: Uint8Array, start: number, end: number): number {
  for (let i = 0; i < 5; i++) {
    if (start + i >= end) return INCOMPLETE;
    if (bytes[start + i] !== VERSION[i]) return BAD;
  }
  if (start + 8 > end) return INCOMPLETE;
  const major = (bytes[start + 5] as number) - 48;
  const minor = (bytes[start + 7] as number) - 48;
  if (bytes[start + 6] !== 46 || !(major >= 0 && major <= 9) || !(minor >= 0 && minor <= 9)) return BAD;
  if (major === 1 && minor <= 1) return 10 + minor;
  // More digits are no version at all (RFC 9112 2.3).
  return start + 8 < end && bytes[start + 8] !== CR ? BAD : BAD_VERSION;
}
