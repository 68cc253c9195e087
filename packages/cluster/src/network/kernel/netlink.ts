// Netlink messages and attributes as bytes, and one synchronous request-and-acknowledge exchange. Host byte order is assumed
// little-endian, which holds for every Linux that Node is built for except s390x.

import { closeSync } from 'node:fs';
import { libc, systemError } from './libc.ts';

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

const NLMSG_ERROR = 2;
const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
export const NLM_F_CREATE = 0x400;
export const NLM_F_EXCL = 0x200;
export const NLM_F_APPEND = 0x800;
const NLA_F_NESTED = 0x8000;
const HEADER_BYTES = 16;

/** One request. `what` names it in errors. */
export type NetlinkMessage = { type: number; flags: number; payload: Buffer; acknowledge: boolean; what: string };

export const u8 = (value: number) => Buffer.of(value);
export const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
};
export const be16 = (value: number) => Buffer.of(value >> 8, value & 0xff);
export const be32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value | 0);
  return bytes;
};
export const cString = (text: string) => Buffer.from(`${text}\0`);

/** An attribute, padded to four bytes. */
export function attribute(type: number, value: Buffer): Buffer {
  const size = 4 + value.length;
  const bytes = Buffer.alloc((size + 3) & ~3);
  bytes.writeUInt16LE(size, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}

export const nested = (type: number, ...attributes: Buffer[]): Buffer => attribute(type | NLA_F_NESTED, Buffer.concat(attributes));

export type NetlinkSocket = {
  /** Sends all messages in one call, in order, and throws the first error the kernel reports. */
  request(messages: NetlinkMessage[]): void;
  close(): void;
};

/** A socket in the calling thread's current network namespace; it stays there. */
export function openNetlink(protocol: number): NetlinkSocket {
  const fd = libc().socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol);
  let sequence = 1;
  return {
    request(messages) {
      const first = sequence;
      const encoded = messages.map((message) => encodeMessage(message, sequence++));
      libc().send(fd, Buffer.concat(encoded));
      const expected = messages.filter((message) => message.acknowledge).length;
      readAcknowledgements(fd, expected, (answered) => messages[answered - first]?.what ?? 'netlink');
    },
    close: () => closeSync(fd),
  };
}

function encodeMessage(message: NetlinkMessage, sequence: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(HEADER_BYTES + message.payload.length, 0);
  header.writeUInt16LE(message.type, 4);
  header.writeUInt16LE(message.flags | NLM_F_REQUEST | (message.acknowledge ? NLM_F_ACK : 0), 6);
  header.writeUInt32LE(sequence, 8);
  return Buffer.concat([header, message.payload, Buffer.alloc((4 - (message.payload.length & 3)) & 3)]);
}

// The kernel works a request off inside sendmsg, so every answer is queued by the time send returns.
function readAcknowledgements(fd: number, expected: number, nameOf: (sequence: number) => string): void {
  const buffer = Buffer.alloc(65_536);
  let failure: Error | undefined;
  for (let seen = 0; seen < expected; ) {
    const size = libc().receive(fd, buffer);
    if (size === 0) break;
    for (let at = 0; at + HEADER_BYTES <= size; ) {
      const length = buffer.readUInt32LE(at);
      if (length < HEADER_BYTES) break;
      if (buffer.readUInt16LE(at + 4) === NLMSG_ERROR) {
        seen++;
        const errno = -buffer.readInt32LE(at + HEADER_BYTES);
        if (errno !== 0) failure ??= systemError(errno, nameOf(buffer.readUInt32LE(at + 8)));
      }
      at += (length + 3) & ~3;
    }
  }
  if (failure) throw failure;
}
