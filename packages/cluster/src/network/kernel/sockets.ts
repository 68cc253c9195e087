// Sockets as bare descriptors, made in a chosen network namespace and under a chosen identity. Node adopts the descriptor.

import { closeSync } from 'node:fs';
import { isIPv6, type Socket } from 'node:net';
import { parseIp, type SocketAddress } from '@lateen/base';
import { libc } from './libc.ts';
import { insideNetns, type Netns } from './namespaces.ts';

const [AF_INET, AF_INET6] = [2, 10] as const;
const [SOCK_STREAM, SOCK_DGRAM] = [1, 2] as const;
const SOCK_FLAGS = 0o2000000 | 0o4000; // CLOEXEC, NONBLOCK
const [SOL_IP, SOL_SOCKET, IPPROTO_TCP] = [0, 1, 6] as const;
const [SO_REUSEADDR, SO_REUSEPORT, SO_MARK] = [2, 15, 36] as const;
const IP_BIND_ADDRESS_NO_PORT = 24;
const SO_ORIGINAL_DST = 80;
const TCP_NODELAY = 1;
const ON = new Uint8Array(new Uint32Array([1]).buffer);

/**
 * What exempts the sidecar's own traffic from capture: the owner of its sockets (root), or a firewall mark where only one user
 * id is mapped (rootless).
 */
export type SocketIdentity = { by: 'owner'; uid: number; gid: number } | { by: 'mark'; mark: number };

export type SocketPlace = { netns: Netns; identity: SocketIdentity | undefined };

/** An unconnected TCP socket for dialling. `sourceBound`: a source address will be bound; it must not eat a port for itself. */
export function openTcpClient(place: SocketPlace, host: string, sourceBound: boolean): number {
  const fd = openSocket(place, SOCK_STREAM, host);
  return orClose(fd, () => {
    libc().setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, ON);
    if (sourceBound) libc().setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, ON);
  });
}

/** A bound TCP socket, not yet listening. */
export function openTcpListener(place: SocketPlace, address: SocketAddress, reusePort: boolean): number {
  const fd = openSocket(place, SOCK_STREAM, address.host);
  return orClose(fd, () => {
    libc().setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, ON);
    if (reusePort) libc().setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, ON);
    libc().bind(fd, encodeAddress(address));
  });
}

/** A bound UDP socket. */
export function openUdp(place: SocketPlace, address: SocketAddress): number {
  const fd = openSocket(place, SOCK_DGRAM, address.host);
  return orClose(fd, () => libc().bind(fd, encodeAddress(address)));
}

/** Where a redirected connection was going (IPv4), or undefined when it was not redirected or is closed. */
export function originalDestination(socket: Socket): SocketAddress | undefined {
  const fd = (socket as Socket & { _handle?: { fd?: number } | null })._handle?.fd;
  if (fd === undefined || fd < 0) return undefined;
  const bytes = new Uint8Array(16);
  if (!libc().getsockopt(fd, SOL_IP, SO_ORIGINAL_DST, bytes)) return undefined;
  const port = ((bytes[2] as number) << 8) | (bytes[3] as number);
  const host = bytes.subarray(4, 8).join('.');
  return host === socket.localAddress && port === socket.localPort ? undefined : { host, port };
}

function openSocket({ netns, identity }: SocketPlace, type: number, host: string): number {
  const open = () => libc().socket(isIPv6(host) ? AF_INET6 : AF_INET, type | SOCK_FLAGS, 0);
  if (identity?.by === 'owner') return insideNetns(netns, () => asOwner(identity, open));
  const fd = insideNetns(netns, open);
  if (identity?.by !== 'mark') return fd;
  return orClose(fd, () => libc().setsockopt(fd, SOL_SOCKET, SO_MARK, new Uint8Array(new Uint32Array([identity.mark]).buffer)));
}

let parentDeathSignal: number | undefined;

// The owner match looks at the file-system ids at socket() time. They also govern file access, hence only around this call. The
// kernel drops the parent-death signal when they change: it is set again, or kill -9 of the parent could leave this process.
function asOwner<T>(owner: { uid: number; gid: number }, run: () => T): T {
  parentDeathSignal ??= libc().getParentDeathSignal();
  const gid = libc().setfsgid(owner.gid);
  const uid = libc().setfsuid(owner.uid);
  try {
    return run();
  } finally {
    libc().setfsuid(uid);
    libc().setfsgid(gid);
    if (parentDeathSignal !== 0) libc().setParentDeathSignal(parentDeathSignal);
  }
}

function orClose(fd: number, run: () => void): number {
  try {
    run();
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** struct sockaddr_in or sockaddr_in6: family in host order, port and address in network order. */
function encodeAddress({ host, port }: SocketAddress): Buffer {
  const ip = parseIp(host);
  if (!ip) throw new Error(`not an IP address: ${host}`);
  const bytes = Buffer.alloc(ip.length === 4 ? 16 : 28);
  bytes.writeUInt16LE(ip.length === 4 ? AF_INET : AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(ip, ip.length === 4 ? 4 : 8);
  return bytes;
}
