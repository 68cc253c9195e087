// What lies between TCP and the filters: nothing (raw_buffer), or TLS.

import { rawBufferTransportSocket, type TransportSocket } from '@lateen/xds/messages/proxy';
import type { DownstreamTlsRuntime, UpstreamTransport } from '../model.ts';
import { compileAny, extension } from './any.ts';
import type { Report } from './report.ts';

/** Of a filter chain; undefined for plaintext. */
export function compileDownstreamTransport(socket: TransportSocket | undefined, report: Report): DownstreamTlsRuntime | undefined {
  if (socket) compileAny(socket.configType.value, [RAW_BUFFER], report.at('typed_config'));
  return undefined;
}

/** Of a cluster or one of its transport socket matches. */
export function compileUpstreamTransport(socket: TransportSocket | undefined, report: Report): UpstreamTransport {
  if (socket) compileAny(socket.configType.value, [RAW_BUFFER], report.at('typed_config'));
  return { kind: 'raw_buffer' };
}

const RAW_BUFFER = extension(rawBufferTransportSocket.RawBufferSchema, () => true);
