// What lies between TCP and the filters: nothing (raw_buffer), or TLS.

import {
  DownstreamTlsContextSchema,
  rawBufferTransportSocket,
  type TransportSocket,
  UpstreamTlsContextSchema,
} from '@lateen/xds/messages/proxy';
import type { DownstreamTlsRuntime, UpstreamTransport } from '../model.ts';
import { compileAny, extension } from './any.ts';
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
const UPSTREAM = [
  extension(rawBufferTransportSocket.RawBufferSchema, () => RAW_BUFFER),
  extension(UpstreamTlsContextSchema, (message, report): UpstreamTransport => ({ kind: 'tls', tls: compileUpstreamTls(message, report) })),
];
