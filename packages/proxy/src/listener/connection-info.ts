import type { Socket } from 'node:net';
import { isIPv6 } from 'node:net';
import type { SocketAddress } from '@lateen/base';
import type { ConnectionInfo } from '../http/request-view.ts';
import { addressText } from '../upstream/host.ts';

/** Without the prefix that dual-stack sockets put before IPv4 addresses. */
export const plainIp = (ip: string): string => (isIPv6(ip) && ip.startsWith('::ffff:') && ip.includes('.') ? ip.slice(7) : ip);

/** The peer's address. */
export const remoteOf = (socket: Socket): SocketAddress => ({ host: plainIp(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 });

/** Our own end. */
export const localOf = (socket: Socket): SocketAddress => ({ host: plainIp(socket.localAddress ?? ''), port: socket.localPort ?? 0 });

export type Facts = {
  id: number;
  local: SocketAddress;
  remote: SocketAddress;
  serverName: string;
  transportProtocol: string;
};

/** What is known of a connection without TLS of our own. */
export function describeConnection({ id, local, remote, serverName, transportProtocol }: Facts): ConnectionInfo {
  return {
    id,
    localAddress: addressText(local.host, local.port),
    remoteAddress: addressText(remote.host, remote.port),
    localIp: local.host,
    localPort: local.port,
    remoteIp: remote.host,
    remotePort: remote.port,
    requestedServerName: serverName,
    transportProtocol,
    mutualTls: false,
    peerPrincipal: '',
    localPrincipal: '',
  };
}
