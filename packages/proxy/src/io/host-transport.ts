// The transport of an ordinary process: the host's own network.

import { createSocket } from 'node:dgram';
import { chmodSync, rmSync } from 'node:fs';
import { connect, createServer, isIP, type TcpNetConnectOpts } from 'node:net';
import { CodedError, messageOf, type SocketAddress, type Transport } from '@lateen/base';

/** Sockets of this process's network. Redirected connections are not recognised: their destination is the local address. */
export function createHostTransport(): Transport {
  return {
    listen({ host, port, mode, backlog = 511, reusePort = false, ipv6Only = false }, onConnection) {
      // A path is a Unix domain socket; one that a dead process left is in the way.
      const isPath = host.startsWith('/');
      if (isPath) rmSync(host, { force: true });
      const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: false }, onConnection);
      return new Promise((resolve, reject) => {
        const refuse = (error: Error) => reject(cannotListen({ host, port }, error));
        server.once('error', refuse);
        const where = isPath ? { path: host, backlog } : { host, port, backlog, reusePort, ipv6Only, exclusive: true };
        server.listen(where, () => {
          server.off('error', refuse);
          server.on('error', () => {});
          if (isPath && mode) chmodSync(host, mode);
          const bound = server.address();
          const address = typeof bound === 'object' && bound ? { host: bound.address, port: bound.port } : { host, port };
          resolve({
            address,
            close: () =>
              new Promise((closed) => {
                // Resolves once the port is free; accepted connections live on, so their end is not waited for.
                server.close();
                setImmediate(closed);
              }),
          });
        });
      });
    },
    dial({ host, port, alternatives = [], ...options }) {
      // A path is a Unix domain socket.
      const target = host.startsWith('/')
        ? { path: host }
        : alternatives.length === 0
          ? { host, port }
          : oneOf([host, ...alternatives], port);
      return connect({ ...target, ...options, allowHalfOpen: true, noDelay: true });
    },
    listenUdp({ host, port }) {
      const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
      return new Promise((resolve, reject) => {
        socket.once('error', (error) => reject(cannotListen({ host, port }, error)));
        socket.bind(port, host, () => {
          socket.on('error', () => {});
          resolve(socket);
        });
      });
    },
    originalDestination: () => undefined,
  };
}

/** The first of the addresses that answers, each with a head start before the next (RFC 8305; Envoy's 300 ms). */
function oneOf(addresses: readonly string[], port: number): TcpNetConnectOpts {
  const found = addresses.map((address) => ({ address, family: isIP(address) }));
  return {
    // Looked up below, whatever its name.
    host: 'host.invalid',
    port,
    lookup: (_name, _options, done) => done(null, found),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: 300,
  };
}

function cannotListen({ host, port }: SocketAddress, error: Error): CodedError {
  return new CodedError({ code: 'LAT6001', what: `cannot listen on ${host}:${port}`, why: messageOf(error), cause: error });
}
