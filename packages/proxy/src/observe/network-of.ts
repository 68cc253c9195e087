// The network that an address is in.

import { isIPv6 } from 'node:net';

/** "10.1.10.23" and 16 are "10.1.0.0/16"; undefined when the address has fewer bits. */
export function networkOf(ip: string, bits: number): string | undefined {
  const isV6 = isIPv6(ip);
  if (bits > (isV6 ? 128 : 32)) return undefined;
  if (!isV6) {
    const value = ip.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
    const kept = bits === 0 ? 0 : (value & (-1 << (32 - bits))) >>> 0;
    return `${[24, 16, 8, 0].map((shift) => (kept >>> shift) & 255).join('.')}/${bits}`;
  }
  const groups = expand(ip).map((group, i) => group & (0xffff << Math.max(0, 16 - Math.max(0, bits - 16 * i))) & 0xffff);
  return `${new URL(`http://[${groups.map((group) => group.toString(16)).join(':')}]`).hostname.slice(1, -1)}/${bits}`;
}

/** The eight groups of an IPv6 address. */
function expand(ip: string): number[] {
  const canonical = new URL(`http://[${ip.split('%', 1)[0]}]`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const middle = tail === undefined ? [] : Array<string>(8 - left.length - right.length).fill('0');
  return [...left, ...middle, ...right].map((group) => Number.parseInt(group, 16));
}
