// IPv4 and IPv6 prefixes.

import { fail, ok, type Result } from './result.ts';

export type Cidr = { bytes: Uint8Array; prefixLength: number };

/** Parses "10.0.0.0/8", "::1/128", or a bare address (then a host prefix). */
export function parseCidr(text: string): Result<Cidr> {
  const slash = text.indexOf('/');
  const bytes = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (!bytes) return fail(`invalid IP address in ${JSON.stringify(text.slice(0, 80))}`);
  if (slash < 0) return ok({ bytes, prefixLength: bytes.length * 8 });
  const digits = text.slice(slash + 1);
  const prefixLength = /^\d{1,3}$/.test(digits) ? Number(digits) : -1;
  if (prefixLength < 0 || prefixLength > bytes.length * 8) return fail(`invalid prefix length in ${JSON.stringify(text.slice(0, 80))}`);
  return ok({ bytes, prefixLength });
}

/** Whether the address (4 or 16 bytes, see `parseIp`) lies in the prefix. IPv4-mapped IPv6 is not unwrapped. */
export function cidrContains(cidr: Cidr, ip: Uint8Array): boolean {
  if (ip.length !== cidr.bytes.length) return false;
  const whole = cidr.prefixLength >> 3;
  for (let i = 0; i < whole; i++) if (ip[i] !== cidr.bytes[i]) return false;
  const rest = cidr.prefixLength & 7;
  if (rest === 0) return true;
  const mask = (0xff << (8 - rest)) & 0xff;
  return ((ip[whole] as number) & mask) === ((cidr.bytes[whole] as number) & mask);
}

/** Network-order bytes of a textual address (4 or 16), or undefined. Zone ids are refused. */
export function parseIp(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined;
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const part = parts[i] as string;
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    bytes[i] = Number(part);
  }
  return bytes;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0] as string);
  const tail = halves.length === 2 ? groupsOf(halves[1] as string) : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  const bytes = new Uint8Array(16);
  groups.forEach((group, i) => {
    bytes[2 * i] = group >> 8;
    bytes[2 * i + 1] = group & 0xff;
  });
  return bytes;
}

function groupsOf(text: string): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (i === parts.length - 1 && part.includes('.')) {
      const v4 = parseIpv4(part);
      if (!v4) return undefined;
      groups.push(((v4[0] as number) << 8) | (v4[1] as number), ((v4[2] as number) << 8) | (v4[3] as number));
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}
