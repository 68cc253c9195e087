// Reads the PROXY protocol header at the front of a connection. The bytes come from strangers: every length is checked against
// the length that holds it (a TLV that reaches over the end refuses the connection: CVE-2026-47692).

import { parseIp, type SocketAddress } from '@lateen/base';
import { type ProxyHeader, type Tlv, V1_MAX_BYTES, V1_SIGNATURE, V2_FIXED_BYTES, V2_SIGNATURE } from './header.ts';

/** `more`: undecided yet. `none`: the connection begins with something else. */
export type ProxyHeaderResult =
  | { readonly kind: 'more' }
  | { readonly kind: 'none' }
  | { readonly kind: 'error'; readonly version: 1 | 2; readonly reason: string }
  | { readonly kind: 'header'; readonly header: ProxyHeader; readonly sizeBytes: number };

const MORE: ProxyHeaderResult = { kind: 'more' };
const NONE: ProxyHeaderResult = { kind: 'none' };

/** `versions`: those that are looked for; a header of another one is `none`. */
export function parseProxyHeader(bytes: Buffer, versions: { readonly v1: boolean; readonly v2: boolean }): ProxyHeaderResult {
  const v2 = versions.v2 ? startsWith(bytes, V2_SIGNATURE) : 'no';
  if (v2 === 'yes') return parseV2(bytes);
  const v1 = versions.v1 ? startsWith(bytes, V1_BYTES) : 'no';
  if (v1 === 'yes') return parseV1(bytes);
  return v1 === 'maybe' || v2 === 'maybe' ? MORE : NONE;
}

const V1_BYTES = Buffer.from(V1_SIGNATURE, 'latin1');

function startsWith(bytes: Buffer, signature: Buffer): 'yes' | 'no' | 'maybe' {
  const length = Math.min(bytes.length, signature.length);
  if (bytes.compare(signature, 0, length, 0, length) !== 0) return 'no';
  return length === signature.length ? 'yes' : 'maybe';
}

const V1_FAMILIES: ReadonlyMap<string | undefined, 4 | 16> = new Map([
  ['TCP4', 4],
  ['TCP6', 16],
]);

function parseV1(bytes: Buffer): ProxyHeaderResult {
  const refuse = (reason: string): ProxyHeaderResult => ({ kind: 'error', version: 1, reason });
  const end = bytes.subarray(0, V1_MAX_BYTES).indexOf('\r\n', 0, 'latin1');
  if (end < 0) return bytes.length >= V1_MAX_BYTES ? refuse(`no end of line within ${V1_MAX_BYTES} bytes`) : MORE;
  const words = bytes.toString('latin1', 0, end).split(' ');
  const sizeBytes = end + 2;
  if (words[1] === 'UNKNOWN') return { kind: 'header', header: { version: 1, addresses: undefined, tlvs: [] }, sizeBytes };
  const family = V1_FAMILIES.get(words[1]);
  if (!family || words.length !== 6) return refuse('not "PROXY TCP4|TCP6 <source> <destination> <port> <port>"');
  const [source, destination] = [hostOfText(words[2] ?? '', family), hostOfText(words[3] ?? '', family)];
  const [sourcePort, destinationPort] = [portOfText(words[4] ?? ''), portOfText(words[5] ?? '')];
  if (source === undefined || destination === undefined) return refuse('an address is not one host address of its family');
  if (sourcePort === undefined || destinationPort === undefined) return refuse('a port is not a number up to 65535');
  const addresses = { source: { host: source, port: sourcePort }, destination: { host: destination, port: destinationPort } };
  return { kind: 'header', header: { version: 1, addresses, tlvs: [] }, sizeBytes };
}

function hostOfText(text: string, family: 4 | 16): string | undefined {
  const ip = parseIp(text);
  return ip?.length === family && isUnicast(ip) ? textOf(ip) : undefined;
}

const portOfText = (text: string): number | undefined => (/^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined);

const LOCAL = 0;
const PROXY = 1;
/** Bytes of the address block, by family (the high half of the byte). */
const V2_ADDRESS_BYTES: Partial<Record<number, { host: 4 | 16; block: number }>> = {
  1: { host: 4, block: 12 },
  2: { host: 16, block: 36 },
};
const STREAM = 1;
const DGRAM = 2;

function parseV2(bytes: Buffer): ProxyHeaderResult {
  const refuse = (reason: string): ProxyHeaderResult => ({ kind: 'error', version: 2, reason });
  if (bytes.length < V2_FIXED_BYTES) return MORE;
  const versionAndCommand = bytes[12] as number;
  const command = versionAndCommand & 0xf;
  if (versionAndCommand >> 4 !== 2 || command > PROXY) return refuse('unknown version or command');
  const sizeBytes = V2_FIXED_BYTES + bytes.readUInt16BE(14);
  const kind = V2_ADDRESS_BYTES[(bytes[13] as number) >> 4];
  const transport = (bytes[13] as number) & 0xf;
  if (command === PROXY) {
    if (!kind || (transport !== STREAM && transport !== DGRAM)) return refuse('unsupported address family or transport');
    if (sizeBytes < V2_FIXED_BYTES + kind.block) return refuse('shorter than its addresses');
  }
  if (bytes.length < sizeBytes) return MORE;
  // What a LOCAL sender says about addresses is to be ignored.
  if (command === LOCAL || !kind) return { kind: 'header', header: { version: 2, addresses: undefined, tlvs: [] }, sizeBytes };
  const at = V2_FIXED_BYTES;
  const source = bytes.subarray(at, at + kind.host);
  const destination = bytes.subarray(at + kind.host, at + 2 * kind.host);
  if (!isUnicast(source) || !isUnicast(destination)) return refuse('an address is not one host address');
  const tlvs = parseTlvs(bytes.subarray(at + kind.block, sizeBytes));
  if (!tlvs) return refuse('a TLV reaches over the end of the header');
  const ports = at + 2 * kind.host;
  const addresses: { source: SocketAddress; destination: SocketAddress } = {
    source: { host: textOf(source), port: bytes.readUInt16BE(ports) },
    destination: { host: textOf(destination), port: bytes.readUInt16BE(ports + 2) },
  };
  return { kind: 'header', header: { version: 2, addresses, tlvs }, sizeBytes };
}

/** Copies: the header outlives the bytes that it came in. */
function parseTlvs(bytes: Buffer): Tlv[] | undefined {
  const tlvs: Tlv[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + 3 > bytes.length) return undefined;
    const end = at + 3 + bytes.readUInt16BE(at + 1);
    if (end > bytes.length) return undefined;
    tlvs.push({ type: bytes[at] as number, value: Buffer.from(bytes.subarray(at + 3, end)) });
    at = end;
  }
  return tlvs;
}

/** One host's address: not "any", not multicast, not broadcast. */
function isUnicast(ip: Uint8Array): boolean {
  if (ip.every((byte) => byte === 0)) return false;
  const first = ip[0] as number;
  if (ip.length === 16) return first !== 0xff;
  return (first & 0xf0) !== 0xe0 && !ip.every((byte) => byte === 0xff);
}

/** As the system would print it. */
function textOf(ip: Uint8Array): string {
  if (ip.length === 4) return ip.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => (((ip[2 * i] as number) << 8) | (ip[2 * i + 1] as number)).toString(16));
  return compress(groups);
}

/** RFC 5952: the longest run of two or more zero groups becomes "::". */
function compress(groups: readonly string[]): string {
  let best = { at: 0, length: 1 };
  for (let at = 0; at < groups.length; at++) {
    let length = 0;
    while (groups[at + length] === '0') length++;
    if (length > best.length) best = { at, length };
  }
  if (best.length < 2) return groups.join(':');
  return `${groups.slice(0, best.at).join(':')}::${groups.slice(best.at + best.length).join(':')}`;
}
