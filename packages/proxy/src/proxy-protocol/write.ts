// Writes the PROXY protocol header that goes before a connection's own bytes.

import { parseIp } from '@lateen/base';
import { type ProxyHeader, V2_FIXED_BYTES, V2_SIGNATURE } from './header.ts';

/** The header's bytes. Addresses of different families, and those of a length that does not fit, are sent as "unknown". */
export function writeProxyHeader(header: ProxyHeader): Buffer {
  return header.version === 1 ? writeV1(header) : writeV2(header);
}

function writeV1({ addresses }: ProxyHeader): Buffer {
  const ips = addresses && bytesOf(addresses);
  if (!addresses || !ips) return Buffer.from('PROXY UNKNOWN\r\n', 'latin1');
  const { source, destination } = addresses;
  const family = ips.source.length === 4 ? 'TCP4' : 'TCP6';
  return Buffer.from(`PROXY ${family} ${source.host} ${destination.host} ${source.port} ${destination.port}\r\n`, 'latin1');
}

const LOCAL = 0x20;
const PROXY = 0x21;
const TCP4 = 0x11;
const TCP6 = 0x21;

function writeV2({ addresses, tlvs }: ProxyHeader): Buffer {
  const ips = addresses && bytesOf(addresses);
  const fixed = Buffer.alloc(V2_FIXED_BYTES);
  V2_SIGNATURE.copy(fixed);
  if (!addresses || !ips) {
    fixed[12] = LOCAL;
    return fixed;
  }
  fixed[12] = PROXY;
  fixed[13] = ips.source.length === 4 ? TCP4 : TCP6;
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(addresses.source.port, 0);
  ports.writeUInt16BE(addresses.destination.port, 2);
  const parts: Uint8Array[] = [fixed, ips.source, ips.destination, ports];
  let length = 2 * ips.source.length + 4;
  for (const { type, value } of tlvs) {
    // The header's own length field ends at 65535: what no longer fits is left out whole.
    if (length + 3 + value.length > 0xffff) continue;
    const head = Buffer.alloc(3);
    head[0] = type;
    head.writeUInt16BE(value.length, 1);
    parts.push(head, value);
    length += 3 + value.length;
  }
  fixed.writeUInt16BE(length, 14);
  return Buffer.concat(parts);
}

function bytesOf({ source, destination }: NonNullable<ProxyHeader['addresses']>) {
  const ips = { source: parseIp(source.host), destination: parseIp(destination.host) };
  if (!ips.source || !ips.destination || ips.source.length !== ips.destination.length) return undefined;
  return { source: ips.source, destination: ips.destination };
}
