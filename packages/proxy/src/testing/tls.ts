// TLS contexts and certificates for tests.

import { once } from 'node:events';
import { type ConnectionOptions, connect } from 'node:tls';
import type { JsonObject } from '@bufbuild/protobuf';
import type { IssuedCertificate } from '@lateen/pki';
import { any } from './runtime.ts';

const TLS = 'envoy.extensions.transport_sockets.tls.v3';

/** A certificate inside the configuration. */
export const inlineCertificate = ({ chainPem, keyPem }: IssuedCertificate): JsonObject => ({
  certificate_chain: { inline_string: chainPem },
  private_key: { inline_string: keyPem },
});

/** The transport socket of a filter chain. */
export const downstreamTls = (fields: JsonObject): JsonObject => ({
  name: 'envoy.transport_sockets.tls',
  typed_config: any(`${TLS}.DownstreamTlsContext`, fields),
});

/** The transport socket of a cluster. */
export const upstreamTls = (fields: JsonObject): JsonObject => ({
  name: 'envoy.transport_sockets.tls',
  typed_config: any(`${TLS}.UpstreamTlsContext`, fields),
});

/** The listener with TLS on each of its filter chains. */
export function withTls(listener: JsonObject, fields: JsonObject): JsonObject {
  const chains = listener['filter_chains'] as JsonObject[];
  return { ...listener, filter_chains: chains.map((chain) => ({ ...chain, transport_socket: downstreamTls(fields) })) };
}

export type SecureAnswer = {
  /** Everything received; empty when the handshake failed. */
  text: string;
  protocol: string;
  /** Negotiated by ALPN; empty for none. */
  alpn: string;
  /** Names of the server's certificate. */
  names: string;
  keyType: string;
  reused: boolean;
  /** For the next connection. */
  session: Buffer | undefined;
  error: string;
};

/** One request over a new TLS connection, to its end. */
export async function askSecurely(
  port: number,
  options: ConnectionOptions = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<SecureAnswer> {
  const answer: SecureAnswer = { text: '', protocol: '', alpn: '', names: '', keyType: '', reused: false, session: undefined, error: '' };
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  socket.on('session', (session: Buffer) => {
    answer.session = session;
  });
  socket.on('secureConnect', () => {
    const certificate = socket.getPeerX509Certificate();
    answer.protocol = socket.getProtocol() ?? '';
    answer.alpn = socket.alpnProtocol || '';
    answer.names = certificate?.subjectAltName ?? '';
    answer.keyType = certificate?.publicKey.asymmetricKeyType ?? '';
    answer.reused = socket.isSessionReused();
  });
  socket.on('data', (bytes: Buffer) => {
    answer.text += bytes.toString('latin1');
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    answer.error = error.code ?? error.message;
  });
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${lines.join('')}\r\n`);
  await once(socket, 'close').catch(() => {});
  return answer;
}

export const isAnswered = ({ text }: Pick<SecureAnswer, 'text'>): boolean => text.startsWith('HTTP/1.1 200 ');
