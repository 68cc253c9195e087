import { isIPv6, type Socket } from 'node:net';
import type { SocketAddress } from '@lateen/base';
import type { ConnectionInfo } from '../http/request-view.ts';
import type { TlsFacts } from '../io/tls-facts.ts';
import type { ProxyHeader } from '../proxy-protocol/header.ts';
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
  isRedirected: boolean;
  remote: SocketAddress;
  serverName: string;
  transportProtocol: string;
  /** The socket's peer, where a PROXY header says that `remote` is another. */
  direct: SocketAddress | undefined;
  proxyHeader: ProxyHeader | undefined;
  dynamicMetadata: ReadonlyMap<string, Readonly<Record<string, unknown>>> | undefined;
  /** Of the session that this proxy terminated. */
  tls: TlsFacts | undefined;
};

export function describeConnection(facts: Facts): ConnectionInfo {
  const { id, local, isRedirected, remote, direct, serverName, transportProtocol, proxyHeader, dynamicMetadata, tls } = facts;
  return {
    id,
    localAddress: addressText(local.host, local.port),
    remoteAddress: addressText(remote.host, remote.port),
    localIp: local.host,
    localPort: local.port,
    isRedirected,
    remoteIp: remote.host,
    remotePort: remote.port,
    requestedServerName: serverName,
    transportProtocol,
    mutualTls: tls?.peerVerified ?? false,
    peerPrincipal: tls?.peerVerified ? (tls.peer?.uriSans[0] ?? '') : '',
    localPrincipal: tls?.local?.uriSans[0] ?? '',
    tls,
    ...(direct && { directRemoteAddress: addressText(direct.host, direct.port) }),
    ...(proxyHeader && { proxyHeader }),
    ...(dynamicMetadata && { dynamicMetadata }),
  };
}

/** Where the client meant to go; undefined where the connection was made to this proxy itself. */
export const redirectedTo = ({ isRedirected, localIp, localPort }: ConnectionInfo): SocketAddress | undefined =>
  isRedirected ? { host: localIp, port: localPort } : undefined;
