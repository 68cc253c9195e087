// TLS contexts and certificates for tests.

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
