// How the data plane reaches the network. It never calls net.connect or net.listen itself, so that the same proxy runs as an
// ordinary process, as one of many sidecars in a shared process (each socket made inside its pod's network namespace), or
// with no namespaces at all.

import type { Socket as UdpSocket } from 'node:dgram';
import type { OnReadOpts, Socket } from 'node:net';

/** An IP address and a port; host names are resolved before they get here. */
export type SocketAddress = { host: string; port: number };

export type TransportListener = {
  /** The bound address; `port` is the real one when 0 was asked for. */
  readonly address: SocketAddress;
  /** Stops accepting. Accepted connections stay open. */
  close(): Promise<void>;
};

export type DialOptions = SocketAddress & {
  /** Read into this buffer instead of emitting 'data' (see node:net). */
  onread?: OnReadOpts;
  /** Source address, e.g. 127.0.0.6 for traffic that must not be captured again. */
  localAddress?: string;
  /** Further IP addresses of the same host and port, tried one after another while those before do not answer. A transport may leave them out. */
  alternatives?: readonly string[];
};

export type Transport = {
  listen(
    options: SocketAddress & {
      backlog?: number;
      reusePort?: boolean;
      /** "::" takes no IPv4 connections; where this cannot be had it does. */
      ipv6Only?: boolean;
      /** Permissions, where `host` is the path of a Unix domain socket. */
      mode?: number;
    },
    onConnection: (socket: Socket) => void,
  ): Promise<TransportListener>;
  /** A connecting socket, as net.connect returns it: 'connect' or 'error' follows. */
  dial(options: DialOptions): Socket;
  listenUdp(options: SocketAddress): Promise<UdpSocket>;
  /** Where an accepted connection was going before it was redirected here (SO_ORIGINAL_DST); undefined when it was not. */
  originalDestination(socket: Socket): SocketAddress | undefined;
};
