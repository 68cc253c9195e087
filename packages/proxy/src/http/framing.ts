// What the headers say about the message as a whole: body framing, connection persistence, hop-by-hop fields. Every ambiguity
// that parsers of the world resolve differently is refused here (RFC 9112 sections 6 and 11).

import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_CLOSE } from './body-parser.ts';
import { equalsAsciiIgnoreCase } from './bytes.ts';
import type { Head } from './head.ts';
import type { HeadFault } from './head-parser.ts';
import { knownId } from './known-headers.ts';
import type { Framing } from './message-framing.ts';

const CONNECTION = knownId('connection');
const CONTENT_LENGTH = knownId('content-length');
const TRANSFER_ENCODING = knownId('transfer-encoding');
const UPGRADE = knownId('upgrade');
const TE = knownId('te');
const KEEP_ALIVE = knownId('keep-alive');
const PROXY_CONNECTION = knownId('proxy-connection');

const fault = (details: string, status = 400): HeadFault => ({ status, details });
const BAD_LENGTH = fault('http1.invalid_content_length');
const BAD_ENCODING = fault('http1.invalid_transfer_encoding', 501);
const ENCODING_ON_10 = fault('http1.transfer_encoding_on_http10');
const BOTH = fault('http1.content_length_and_chunked_not_allowed');
const BAD_NOMINATION = fault('http1.connection_header_rejected');

/**
 * Reads and removes the hop-by-hop fields of a request (Connection and what it names, Keep-Alive, Proxy-Connection, TE other than
 * "trailers", Transfer-Encoding, Upgrade); Content-Length stays. Returns the fault that makes the message unacceptable.
 */
export function readRequestFraming(framing: Framing, head: Head): HeadFault | undefined {
  framing.body = BODY_NONE;
  framing.length = 0;
  const bad = readLengths(framing, head);
  if (bad) return bad;
  return readConnection(framing, head, true);
}

/** The same for the response to a request with `method`. */
export function readResponseFraming(framing: Framing, head: Head, method: string): HeadFault | undefined {
  framing.body = BODY_UNTIL_CLOSE;
  framing.length = 0;
  const bad = readLengths(framing, head);
  if (bad) return bad;
  const { status } = head;
  if (status < 200 || status === 204) {
    // RFC 9110 8.6 and RFC 9112 6.1: neither has a body, so neither may say how long it is. As Envoy, 0 passes for nothing.
    const told: number = framing.body;
    if (told === BODY_CHUNKED) return BAD_ENCODING;
    if (framing.length > 0) return BAD_LENGTH;
    if (head.known(CONTENT_LENGTH) >= 0) head.remove('content-length');
  }
  if (method === 'HEAD' || status === 204 || status === 304 || status < 200 || (method === 'CONNECT' && status < 300)) {
    framing.body = BODY_NONE;
  }
  const nominated = readConnection(framing, head, false);
  if (framing.body === BODY_UNTIL_CLOSE) framing.keepAlive = false;
  return nominated;
}

/**
 * For allow_chunked_length, before framing is read: takes Content-Length out where chunks decide where the message ends (RFC 9112 6.3).
 * True: it was there. Who else reads the connection may go by the length, so the connection must not carry anything after this message.
 */
export function dropLengthOfChunked(head: Head): boolean {
  const length = head.known(CONTENT_LENGTH);
  const coding = head.known(TRANSFER_ENCODING);
  if (length < 0 || coding < 0 || !isChunked(head, coding) || isRepeated(head, length)) return false;
  head.dropped[length] = 1;
  // The next connection with the same head may not allow it.
  head.memory?.forget();
  return true;
}

const isChunked = ({ bytes, spans }: Head, line: number): boolean =>
  equalsAsciiIgnoreCase(bytes, spans[line * 4 + 2] as number, spans[line * 4 + 3] as number, 'chunked');

function readLengths(framing: Framing, head: Head): HeadFault | undefined {
  const lengthLine = head.known(CONTENT_LENGTH);
  const codingLine = head.known(TRANSFER_ENCODING);
  if (codingLine >= 0) {
    if (head.version < 11) return ENCODING_ON_10;
    if (lengthLine >= 0) return BOTH;
    if (!isChunked(head, codingLine) || isRepeated(head, codingLine)) return BAD_ENCODING;
    head.dropped[codingLine] = 1;
    framing.body = BODY_CHUNKED;
    return undefined;
  }
  if (lengthLine < 0) return undefined;
  const length = parseLength(head, lengthLine);
  if (length < 0 || isRepeated(head, lengthLine)) return BAD_LENGTH;
  // One canonical form: some parsers take leading zeros for octal.
  if (head.spans[lengthLine * 4 + 3]! - head.spans[lengthLine * 4 + 2]! > String(length).length) head.set('content-length', String(length));
  framing.body = length === 0 ? BODY_NONE : BODY_LENGTH;
  framing.length = length;
  return undefined;
}

function parseLength(head: Head, line: number): number {
  const start = head.spans[line * 4 + 2] as number;
  const end = head.spans[line * 4 + 3] as number;
  if (end === start || end - start > 15) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = (head.bytes[i] as number) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

function isRepeated(head: Head, line: number): boolean {
  if (!head.hasRepeats) return false;
  const name = head.lineName(line);
  return head.values(name).length > 1;
}

function readConnection(framing: Framing, head: Head, isRequest: boolean): HeadFault | undefined {
  framing.keepAlive = head.version >= 11;
  framing.upgrade = '';
  const line = head.known(CONNECTION);
  let bad: HeadFault | undefined;
  if (line >= 0) {
    const at = line * 4;
    const start = head.spans[at + 2] as number;
    const end = head.spans[at + 3] as number;
    if (equalsAsciiIgnoreCase(head.bytes, start, end, 'keep-alive') && !head.hasRepeats) framing.keepAlive = true;
    else bad = readConnectionTokens(framing, head, isRequest);
    head.remove('connection');
  }
  if (head.known(KEEP_ALIVE) >= 0) head.remove('keep-alive');
  if (head.known(PROXY_CONNECTION) >= 0) {
    if (tokensOf(head.value('proxy-connection')).includes('close')) framing.keepAlive = false;
    head.remove('proxy-connection');
  }
  if (head.known(UPGRADE) >= 0) head.remove('upgrade');
  if (head.known(TE) >= 0) {
    const keepsTrailers = head
      .value('te')
      ?.toLowerCase()
      .split(',')
      .some((coding) => coding.trim() === 'trailers');
    head.remove('te');
    if (keepsTrailers) head.add('te', 'trailers');
  }
  return bad;
}

const tokensOf = (list: string | undefined): string[] => (list ?? '').split(',').map((token) => token.trim().toLowerCase());

// Naming one of these in Connection would strip what the next hop relies on.
const NEVER_NOMINATED = /^(?:host|forwarded|x-forwarded-.*|x-envoy-.*|content-length|authorization|cookie|:.*)$/;

function readConnectionTokens(framing: Framing, head: Head, isRequest: boolean): HeadFault | undefined {
  for (const name of tokensOf(head.value('connection'))) {
    if (name === 'close') framing.keepAlive = false;
    else if (name === 'keep-alive') {
      if (head.version < 11) framing.keepAlive = true;
    } else if (name === 'upgrade') framing.upgrade = head.value('upgrade')?.toLowerCase() ?? '';
    else if (name === '' || name === 'te' || name === 'transfer-encoding') continue;
    else if (NEVER_NOMINATED.test(name)) {
      if (isRequest) return BAD_NOMINATION;
    } else head.remove(name);
  }
  return undefined;
}

/** The lines that say Upgrade, in the letters that `head` came with; `upgrade` where it has none. */
export function upgradeLines(head: Head, upgrade: string): string {
  const told = (id: number): string => ((head.first[id] as number) < 0 ? '' : head.lineValue(head.first[id] as number));
  const connection = told(CONNECTION);
  return `connection: ${connection.toLowerCase() === 'upgrade' ? connection : 'upgrade'}\r\nupgrade: ${told(UPGRADE) || upgrade}\r\n`;
}
