// What lies between TCP and the filters: nothing (raw_buffer), or TLS.

import {
  DownstreamTlsContextSchema,
  ProxyProtocolConfig_Version,
  proxyProtocolTransportSocket,
  rawBufferTransportSocket,
  type TransportSocket,
  UpstreamTlsContextSchema,
} from '@lateen/xds/messages/proxy';
import type { DownstreamTlsRuntime, UpstreamTransport } from '../model.ts';
import { compileAny, extension } from './any.ts';
import { compilePassThrough } from './listener-filters.ts';
import type { Report } from './report.ts';
import { compileDownstreamTls, compileUpstreamTls } from './tls.ts';

const RAW_BUFFER: UpstreamTransport = { kind: 'raw_buffer' };

/** Of a filter chain; undefined for plaintext. */
export function compileDownstreamTransport(socket: TransportSocket | undefined, report: Report): DownstreamTlsRuntime | undefined {
  return socket && compileAny(socket.configType.value, DOWNSTREAM, report.at('typed_config'));
}
const DOWNSTREAM = [
  extension(rawBufferTransportSocket.RawBufferSchema, () => undefined),
  extension(DownstreamTlsContextSchema, compileDownstreamTls),
];

/** Of a cluster or one of its transport socket matches. */
export function compileUpstreamTransport(socket: TransportSocket | undefined, report: Report): UpstreamTransport {
  return (socket && compileAny(socket.configType.value, UPSTREAM, report.at('typed_config'))) ?? RAW_BUFFER;
}
const UPSTREAM: Parameters<typeof compileAny<UpstreamTransport>>[1] = [
  extension(rawBufferTransportSocket.RawBufferSchema, () => RAW_BUFFER),
  extension(UpstreamTlsContextSchema, (message, report): UpstreamTransport => ({ kind: 'tls', tls: compileUpstreamTls(message, report) })),
  extension(proxyProtocolTransportSocket.ProxyProtocolUpstreamTransportSchema, ({ config, transportSocket }, report): UpstreamTransport => {
    if (!transportSocket) report.at('transport_socket').refuse('is required');
    const version = config?.version === ProxyProtocolConfig_Version.V2 ? 2 : 1;
    const inner = compileUpstreamTransport(transportSocket, report.at('transport_socket'));
    return { ...inner, proxyProtocol: { version, passesTlv: compilePassThrough(config?.passThroughTlvs) } };
  }),
];
