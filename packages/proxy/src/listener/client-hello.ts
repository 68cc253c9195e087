// Reads server name and application protocols out of a TLS ClientHello (RFC 8446 4.1.2, RFC 6066 3, RFC 7301) without taking
// part in the handshake. Every length is checked against what is there.

export type ClientHello = { readonly serverName: string; readonly applicationProtocols: readonly string[] };

/** `more`: not all there yet. `not_tls`: something else. `too_large`, `bad_version`: TLS that nobody serves. */
export type HelloResult =
  | { readonly kind: 'hello'; readonly hello: ClientHello }
  | { readonly kind: 'more' }
  | { readonly kind: 'not_tls' }
  | { readonly kind: 'too_large' }
  | { readonly kind: 'bad_version' };

const MORE: HelloResult = { kind: 'more' };
const NOT_TLS: HelloResult = { kind: 'not_tls' };
const TOO_LARGE: HelloResult = { kind: 'too_large' };
const BAD_VERSION: HelloResult = { kind: 'bad_version' };
/** Of a handshake; the inspector may be told less. */
const MAX_HELLO = 16 * 1024;
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const ALPN = 16;

export function parseClientHello(bytes: Uint8Array, maxBytes = MAX_HELLO): HelloResult {
  const message = handshakeMessage(bytes, maxBytes);
  return message instanceof Uint8Array ? parseMessage(message) : message;
}

/** Joins the records that carry the first handshake message. */
function handshakeMessage(bytes: Uint8Array, maxBytes: number): Uint8Array | HelloResult {
  if (bytes.length > 0 && bytes[0] !== HANDSHAKE) return NOT_TLS;
  if (bytes.length > 1 && bytes[1] !== 3) return NOT_TLS;
  if (bytes.length < 9) return MORE;
  if (bytes[5] !== CLIENT_HELLO) return NOT_TLS;
  const size = 4 + u24(bytes, 6);
  if (size > maxBytes) return TOO_LARGE;
  const message = new Uint8Array(size);
  let filled = 0;
  let at = 0;
  while (filled < size) {
    if (at + 5 > bytes.length) return MORE;
    if (bytes[at] !== HANDSHAKE || bytes[at + 1] !== 3) return NOT_TLS;
    const length = u16(bytes, at + 3);
    if (length === 0) return NOT_TLS;
    const start = at + 5;
    const take = Math.min(length, size - filled, bytes.length - start);
    message.set(bytes.subarray(start, start + take), filled);
    filled += take;
    if (filled < size && start + length > bytes.length) return MORE;
    at = start + length;
  }
  return message;
}

function parseMessage(message: Uint8Array): HelloResult {
  let serverName = '';
  let applicationProtocols: string[] = [];
  if (message.length < 6) return NOT_TLS;
  // SSL 3 and versions that do not exist. TLS 1.3 says 1.2 here.
  if (message[4] !== 3 || (message[5] as number) < 1 || (message[5] as number) > 4) return BAD_VERSION;
  // Type and length (4), version (2), random (32), then three vectors before the extensions.
  let at = 38;
  at = skipVector(message, at, 1);
  at = skipVector(message, at, 2);
  at = skipVector(message, at, 1);
  if (at < 0) return NOT_TLS;
  if (at === message.length) return { kind: 'hello', hello: { serverName, applicationProtocols } };
  if (at + 2 > message.length || at + 2 + u16(message, at) !== message.length) return NOT_TLS;
  at += 2;
  while (at < message.length) {
    if (at + 4 > message.length) return NOT_TLS;
    const type = u16(message, at);
    const end = at + 4 + u16(message, at + 2);
    if (end > message.length) return NOT_TLS;
    const body = message.subarray(at + 4, end);
    if (type === SERVER_NAME) {
      // No library makes such a name: it is there to be read differently by different readers.
      if (body.includes(0, 5)) return NOT_TLS;
      serverName = readServerName(body);
    } else if (type === ALPN) applicationProtocols = readProtocols(body);
    at = end;
  }
  return { kind: 'hello', hello: { serverName, applicationProtocols } };
}

function skipVector(bytes: Uint8Array, at: number, lengthBytes: 1 | 2): number {
  if (at < 0 || at + lengthBytes > bytes.length) return -1;
  const end = at + lengthBytes + (lengthBytes === 1 ? (bytes[at] as number) : u16(bytes, at));
  return end > bytes.length ? -1 : end;
}

function readServerName(body: Uint8Array): string {
  if (body.length < 5 || body[2] !== 0) return '';
  const end = 5 + u16(body, 3);
  if (end > body.length) return '';
  const name = Buffer.from(body.subarray(5, end)).toString('latin1').toLowerCase();
  return /^[a-z0-9._*-]{1,255}$/.test(name) ? name : '';
}

function readProtocols(body: Uint8Array): string[] {
  const protocols: string[] = [];
  let at = 2;
  while (at < body.length && protocols.length < 32) {
    const end = at + 1 + (body[at] as number);
    if (end > body.length) return [];
    protocols.push(Buffer.from(body.subarray(at + 1, end)).toString('latin1'));
    at = end;
  }
  return protocols;
}

const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
const u24 = (bytes: Uint8Array, at: number): number => ((bytes[at] as number) << 16) | u16(bytes, at + 1);
