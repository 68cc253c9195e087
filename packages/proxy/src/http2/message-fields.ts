// Decoded fields to the head of a message. Everything that RFC 9113 section 8 calls malformed is refused here, before anybody else
// sees the message: what passes has one meaning in HTTP/1.1, too.

import { CR, equalsAscii, equalsAsciiIgnoreCase, LF, SP, TARGET, TOKEN_LOWER } from '../http/bytes.ts';
import { FIRST_ENVOY_ID, knownId } from '../http/known-headers.ts';
import { HeadTemplate, NAME_NEVER_INDEXED } from './head-template.ts';
import { copyBytes, type FieldBlock } from './hpack/field-block.ts';
import * as tag from './hpack/field-tag.ts';
import { staticIndexOf } from './hpack/static-fields.ts';

const HOST = knownId('host');
const CONTENT_LENGTH = knownId('content-length');
const TE = knownId('te');
const HOST_INDEX = staticIndexOf('host');
const COOKIE_INDEX = staticIndexOf('cookie');
const HOST_PREFIX = Buffer.from('host: ');
const COOKIE_PREFIX = Buffer.from('cookie: ');
const BYTES = 'bytestream';
/** No known header. */
const NONE = -2;
const MAX_LENGTH_DIGITS = 15;
/** What no regular field of a message may be. */
const REFUSED_FIELD = tag.BAD_NAME | tag.BAD_VALUE | tag.CONNECTION_SPECIFIC | tag.PSEUDO_MASK;

/** The message is malformed: why, for the log. */
export type Malformed = string;

/** The body is not what content-length says. */
export const LENGTH_FAULT = 'content-length differs from the body';
const NO_PSEUDO = 'a pseudo header is missing';
const NO_ABSOLUTE_PATH = ':path does not begin with a slash';
const BAD_CONNECT = 'bad CONNECT';
/** The fields are well-formed, but do not make a message. */
export const MESSAGE_FAULTS: ReadonlySet<Malformed> = new Set([
  LENGTH_FAULT,
  NO_PSEUDO,
  NO_ABSOLUTE_PATH,
  BAD_CONNECT,
  'trailers without END_STREAM',
  'informational response',
]);

/** Where the pseudo headers of the block at hand are: field number, or -1. One for the process; reset per block. */
const pseudo = { method: -1, scheme: -1, authority: -1, path: -1, status: -1, protocol: -1, count: 0 };
/** What was found among the regular fields. */
const found = { host: -1, contentLength: -1, cookies: 0, regularBytes: 0 };

/** A request's head. `extendedConnect`: we have offered RFC 8441. */
export function readRequest(block: FieldBlock, extendedConnect: boolean): HeadTemplate | Malformed {
  const fault = readPseudo(block) ?? readRegular(block);
  if (fault !== undefined) return fault;
  const { method, scheme, authority, path, status, protocol } = pseudo;
  if (status >= 0) return ':status in a request';
  if (method < 0) return NO_PSEUDO;
  if (!isToken(block, method)) return 'bad :method';
  const isConnect = valueIs(block, method, 'CONNECT');
  if (protocol >= 0) {
    if (!isConnect || !extendedConnect) return ':protocol without extended CONNECT';
    if (!isToken(block, protocol)) return 'bad :protocol';
    if (authority < 0 && valueIs(block, protocol, BYTES)) return BAD_CONNECT;
  }
  if (isConnect && protocol < 0) {
    if (scheme >= 0 || path >= 0 || authority < 0) return BAD_CONNECT;
    if (!isTarget(block, authority)) return 'bad :authority';
  } else {
    if (scheme < 0 || path < 0) return NO_PSEUDO;
    if (!(valueIs(block, scheme, 'http') || valueIs(block, scheme, 'https'))) return 'bad :scheme';
    if (!isTarget(block, path)) return 'bad :path';
    if (!isAbsolute(block, path, method)) return NO_ABSOLUTE_PATH;
    if (authority >= 0 && !isEmpty(block, authority) && !isTarget(block, authority)) return 'bad :authority';
  }
  const length = found.contentLength >= 0 ? lengthOf(block, found.contentLength) : -1;
  if (length === BAD_LENGTH) return 'bad content-length';
  return buildRequest(block, length);
}

/** The head of a response. */
export function readResponse(block: FieldBlock): HeadTemplate | Malformed {
  const fault = readPseudo(block) ?? readRegular(block);
  if (fault !== undefined) return fault;
  if (pseudo.status < 0) return NO_PSEUDO;
  if (pseudo.count !== 1) return 'pseudo headers of a response';
  const status = statusOf(block, pseudo.status);
  // Upgrading by 101 does not exist in HTTP/2.
  if (status < 100 || status === 101) return 'bad :status';
  const length = found.contentLength >= 0 ? lengthOf(block, found.contentLength) : -1;
  if (length === BAD_LENGTH || (length > 0 && status === 204)) return 'bad content-length';
  // A length of nothing is left out of what can have no body (RFC 9110 8.6).
  const template = buildLines(block, 0, { hasHost: false, leftOut: status === 204 ? CONTENT_LENGTH : NONE });
  template.status = status;
  template.contentLength = length;
  return template;
}

export function readTrailers(block: FieldBlock): HeadTemplate | Malformed {
  const fault = readPseudo(block) ?? readRegular(block);
  if (fault !== undefined) return fault;
  if (pseudo.count > 0) return 'pseudo header in trailers';
  if (found.contentLength >= 0 || found.host >= 0) return 'forbidden field in trailers';
  return buildLines(block, 0, { hasHost: false, leftOut: NONE });
}

function readPseudo(block: FieldBlock): Malformed | undefined {
  pseudo.method = pseudo.scheme = pseudo.authority = pseudo.path = pseudo.status = pseudo.protocol = -1;
  const { tags, count } = block;
  let field = 0;
  for (; field < count; field++) {
    const kind = (tags[field] as number) & tag.PSEUDO_MASK;
    if (kind === 0) break;
    if (((tags[field] as number) & (tag.BAD_VALUE | tag.PADDED_VALUE)) !== 0) return 'bad pseudo header';
    if (!notePseudo(kind, field)) return 'unknown or repeated pseudo header';
  }
  pseudo.count = field;
  return undefined;
}

/** False for an unknown one and for a second one of its kind. */
function notePseudo(kind: number, field: number): boolean {
  const key = PSEUDO_KEYS[kind >> tag.PSEUDO_SHIFT];
  if (key === undefined || pseudo[key] >= 0) return false;
  pseudo[key] = field;
  return true;
}

const PSEUDO_KEYS = [undefined, 'method', 'scheme', 'authority', 'path', 'status', 'protocol'] as const;

function readRegular(block: FieldBlock): Malformed | undefined {
  found.host = found.contentLength = -1;
  found.cookies = 0;
  const { tags, count, spans } = block;
  for (let field = pseudo.count; field < count; field++) {
    const bits = tags[field] as number;
    if ((bits & REFUSED_FIELD) !== 0) return 'forbidden or malformed field';
    // RFC 9113 8.2.1 forbids it, and Envoy and HAProxy read it as HTTP/1.1 does.
    if ((bits & tag.PADDED_VALUE) !== 0) block.trimValue(field);
    const known = (bits & tag.KNOWN_MASK) - 1;
    if (known === TE) {
      if (!equalsAsciiIgnoreCase(block.bytes, spans[field * 4 + 2] as number, spans[field * 4 + 3] as number, 'trailers')) return 'bad te';
    } else if (known === HOST) {
      if (found.host >= 0) return 'repeated host';
      found.host = field;
    } else if (known === CONTENT_LENGTH) {
      if (found.contentLength >= 0) return 'repeated content-length';
      found.contentLength = field;
    } else if ((bits & tag.COOKIE) !== 0) found.cookies++;
  }
  return undefined;
}

const valueStart = (block: FieldBlock, field: number): number => block.spans[field * 4 + 2] as number;
const valueEnd = (block: FieldBlock, field: number): number => block.spans[field * 4 + 3] as number;
const isEmpty = (block: FieldBlock, field: number): boolean => valueStart(block, field) === valueEnd(block, field);
const valueIs = (block: FieldBlock, field: number, text: string): boolean =>
  equalsAscii(block.bytes, valueStart(block, field), valueEnd(block, field), text);

function isToken(block: FieldBlock, field: number): boolean {
  const end = valueEnd(block, field);
  for (let at = valueStart(block, field); at < end; at++) if (TOKEN_LOWER[block.bytes[at] as number] === 0) return false;
  return !isEmpty(block, field);
}

/** Visible ASCII, not empty. */
function isTarget(block: FieldBlock, field: number): boolean {
  const end = valueEnd(block, field);
  for (let at = valueStart(block, field); at < end; at++) if (TARGET[block.bytes[at] as number] === 0) return false;
  return !isEmpty(block, field);
}

function isAbsolute(block: FieldBlock, path: number, method: number): boolean {
  return block.bytes[valueStart(block, path)] === SLASH || (valueIs(block, path, '*') && valueIs(block, method, 'OPTIONS'));
}

const SLASH = 47;

const BAD_LENGTH = -2;

function lengthOf(block: FieldBlock, field: number): number {
  const start = valueStart(block, field);
  const end = valueEnd(block, field);
  if (start === end || end - start > MAX_LENGTH_DIGITS) return BAD_LENGTH;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = (block.bytes[at] as number) - 48;
    if (digit < 0 || digit > 9) return BAD_LENGTH;
    value = value * 10 + digit;
  }
  return value;
}

function statusOf(block: FieldBlock, field: number): number {
  if (valueEnd(block, field) - valueStart(block, field) !== 3) return 0;
  const status = lengthOf(block, field);
  return status < 1000 ? status : 0;
}

/** "METHOD target" CRLF, the host line, then the regular lines: what an HTTP/1.1 head with the same meaning looks like. */
function buildRequest(block: FieldBlock, contentLength: number): HeadTemplate {
  const { protocol } = pseudo;
  // A stream of bytes is what plain CONNECT asks for, too (as in Envoy).
  const isExtended = protocol >= 0 && !valueIs(block, protocol, BYTES);
  const path = isExtended || protocol < 0 ? pseudo.path : -1;
  // An extended CONNECT is what HTTP/1.1 says by GET with Upgrade.
  const method = isExtended ? 'GET' : block.bytes.toString('latin1', valueStart(block, pseudo.method), valueEnd(block, pseudo.method));
  const authority = pseudo.authority >= 0 && !isEmpty(block, pseudo.authority) ? pseudo.authority : found.host;
  const target = path >= 0 ? path : authority;
  const targetLength = valueEnd(block, target) - valueStart(block, target);
  const authorityLength = authority >= 0 ? valueEnd(block, authority) - valueStart(block, authority) : 0;
  const startSize = method.length + 1 + targetLength + 2;
  const hostSize = authority >= 0 ? HOST_PREFIX.length + authorityLength + 2 : 0;
  const template = buildLines(block, startSize + hostSize, { hasHost: authority >= 0, leftOut: HOST });
  const { bytes } = template;
  let at = bytes.write(method, 0, 'latin1');
  template.methodEnd = at;
  bytes[at++] = SP;
  template.targetStart = at;
  copyBytes(block.bytes, valueStart(block, target), targetLength, bytes, at);
  at += targetLength;
  template.targetEnd = at;
  at = endLine(bytes, at);
  if (authority >= 0) {
    HOST_PREFIX.copy(bytes, at);
    template.spans.set([at, at + 4, at + HOST_PREFIX.length, at + HOST_PREFIX.length + authorityLength]);
    template.first[HOST] = 0;
    template.names[0] = HOST_INDEX;
    copyBytes(block.bytes, valueStart(block, authority), authorityLength, bytes, at + HOST_PREFIX.length);
    endLine(bytes, at + HOST_PREFIX.length + authorityLength);
  }
  template.contentLength = contentLength;
  if (isExtended) template.protocol = block.bytes.toString('latin1', valueStart(block, protocol), valueEnd(block, protocol)).toLowerCase();
  return template;
}

function endLine(bytes: Buffer, at: number): number {
  bytes[at] = CR;
  bytes[at + 1] = LF;
  return at + 2;
}

/** The regular fields from offset `prefix` on; `hasHost`: line 0 is kept for the host. */
function buildLines(block: FieldBlock, prefix: number, { hasHost, leftOut }: { hasHost: boolean; leftOut: number }): HeadTemplate {
  const { tags, spans, count } = block;
  const joins = found.cookies > 1;
  let size = prefix;
  let lines = hasHost ? 1 : 0;
  for (let field = pseudo.count; field < count; field++) {
    if (isLeftOut(tags[field] as number, leftOut, joins)) continue;
    size += (spans[field * 4 + 3] as number) + 2 - (spans[field * 4] as number);
    lines++;
  }
  const cookies = joins ? joinCookies(block) : undefined;
  if (cookies) {
    size += cookies.length;
    lines++;
  }
  const template = new HeadTemplate(Buffer.allocUnsafe(size), lines);
  let at = prefix;
  let line = hasHost ? 1 : 0;
  for (let field = pseudo.count; field < count; field++) {
    const bits = tags[field] as number;
    if (isLeftOut(bits, leftOut, joins)) continue;
    const start = spans[field * 4] as number;
    const length = (spans[field * 4 + 3] as number) + 2 - start;
    copyBytes(block.bytes, start, length, template.bytes, at);
    noteLine(template, line++, { at, from: start, block, field });
    noteKnown(template, line - 1, bits);
    at += length;
  }
  if (cookies) {
    cookies.copy(template.bytes, at);
    template.spans.set([at, at + 6, at + COOKIE_PREFIX.length, at + cookies.length - 2], line * 4);
    template.names[line] = COOKIE_INDEX;
  }
  return template;
}

/** The host of a request stands on a line of its own; crumbs of a cookie are joined. */
const isLeftOut = (bits: number, known: number, joinsCookies: boolean): boolean =>
  (bits & tag.KNOWN_MASK) === known + 1 || (joinsCookies && (bits & tag.COOKIE) !== 0);

function noteLine(
  template: HeadTemplate,
  line: number,
  { at, from, block, field }: { at: number; from: number; block: FieldBlock; field: number },
): void {
  const move = at - from;
  for (let i = 0; i < 4; i++) template.spans[line * 4 + i] = (block.spans[field * 4 + i] as number) + move;
}

function noteKnown(template: HeadTemplate, line: number, bits: number): void {
  const known = (bits & tag.KNOWN_MASK) - 1;
  if (known >= 0) {
    if ((template.first[known] as number) < 0) template.first[known] = line;
    else template.hasRepeats = true;
    if (known >= FIRST_ENVOY_ID) template.hasEnvoyHeaders = true;
  }
  template.names[line] = ((bits >> tag.STATIC_SHIFT) & 0x7f) | ((bits & tag.NEVER_INDEXED) !== 0 ? NAME_NEVER_INDEXED : 0);
}

/** "cookie: a=1; b=2" CRLF of all the crumbs (RFC 9113 8.2.3). */
function joinCookies(block: FieldBlock): Buffer {
  const crumbs: string[] = [];
  for (let field = pseudo.count; field < block.count; field++) {
    if (((block.tags[field] as number) & tag.COOKIE) === 0 || isEmpty(block, field)) continue;
    crumbs.push(block.bytes.toString('latin1', valueStart(block, field), valueEnd(block, field)));
  }
  return Buffer.from(`cookie: ${crumbs.join('; ')}\r\n`, 'latin1');
}
