// How HTTP is spoken to the hosts of a cluster: version, life of a connection, keep-alive.

import type { Any } from '@bufbuild/protobuf/wkt';
import { type Http1ProtocolOptionsSchema, type Http2ProtocolOptionsSchema, upstreamHttp } from '@lateen/xds/messages/config';
import { type ConnectionPool, isHttp2, type Protocol } from '../model/index.ts';
import { durationOf, goDuration, type InitOf, pack } from './pack.ts';
import type { View } from './view.ts';

/** `as-client`: what the request came with. */
export type SpokenHttp = 'HTTP/1.1' | 'HTTP/2' | 'as-client';

/** `http1`: settings besides the defaults, for where HTTP/1.1 is spoken. */
type SpokenOptions = { pool?: ConnectionPool | undefined; http1?: InitOf<typeof Http1ProtocolOptionsSchema> | undefined };
type ExtensionOptions = { typedExtensionProtocolOptions?: Record<string, Any> };

const HTTP_PROTOCOL_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const DEFAULT_IDLE_TIMEOUT_MS = 3_600_000;
/** Where a keep-alive names no timeout, which the proxy requires. */
const DEFAULT_PING_TIMEOUT_MS = 20_000;

/** What the workload's own application is spoken to with: HTTP/2 when the port says so, the client's version where it was sniffed. */
export function inboundHttp(protocol: Protocol): SpokenHttp {
  if (protocol === 'Sniffed') return 'as-client';
  return isHttp2(protocol) ? 'HTTP/2' : 'HTTP/1.1';
}

/** The same for another service, whose rules may upgrade. An explicit UPGRADE holds for ports of unknown protocol as well. */
export function outboundHttp({ snapshot, scope }: View, protocol: Protocol, pool: ConnectionPool | undefined): SpokenHttp {
  if (pool?.http?.useClientProtocol) return 'as-client';
  const upgrade = pool?.http?.h2UpgradePolicy ?? 'DEFAULT';
  if (upgrade === 'UPGRADE' || (upgrade === 'DEFAULT' && snapshot.mesh.h2UpgradePolicy === 'UPGRADE' && protocol === 'HTTP'))
    return 'HTTP/2';
  // A gateway sniffs nothing, and its clients may well speak what the service does not.
  return protocol === 'Sniffed' && scope.type === 'router' ? 'HTTP/1.1' : inboundHttp(protocol);
}

/** The options that say so; none where the proxy's defaults do. */
export function httpProtocolOptions(spoken: SpokenHttp, { pool, http1 }: SpokenOptions = {}): ExtensionOptions {
  const idleTimeout = goDuration(pool?.http?.idleTimeout);
  const maxConnectionDuration = goDuration(pool?.tcp?.maxConnectionDuration);
  if (spoken === 'HTTP/1.1' && !idleTimeout && !maxConnectionDuration && !http1) return {};
  const options = pack(upstreamHttp.HttpProtocolOptionsSchema, {
    upstreamProtocolOptions: upstreamOptions(spoken, { pool, http1 }),
    commonHttpProtocolOptions: {
      idleTimeout: idleTimeout ?? durationOf(DEFAULT_IDLE_TIMEOUT_MS),
      ...(maxConnectionDuration && { maxConnectionDuration }),
    },
  });
  return { typedExtensionProtocolOptions: { [HTTP_PROTOCOL_OPTIONS]: options } };
}

function upstreamOptions(spoken: SpokenHttp, { pool, http1 = {} }: SpokenOptions) {
  if (spoken === 'as-client') {
    return {
      case: 'useDownstreamProtocolConfig' as const,
      value: { httpProtocolOptions: http1, http2ProtocolOptions: http2Options(pool) },
    };
  }
  const protocolConfig =
    spoken === 'HTTP/2'
      ? { case: 'http2ProtocolOptions' as const, value: http2Options(pool) }
      : { case: 'httpProtocolOptions' as const, value: http1 };
  return { case: 'explicitHttpConfig' as const, value: { protocolConfig } };
}

function http2Options(pool: ConnectionPool | undefined): InitOf<typeof Http2ProtocolOptionsSchema> {
  const { maxConcurrentStreams, http2KeepAlive } = pool?.http ?? {};
  const interval = goDuration(http2KeepAlive?.interval);
  return {
    ...(maxConcurrentStreams && { maxConcurrentStreams }),
    ...(http2KeepAlive && {
      connectionKeepalive: {
        ...(interval && { interval }),
        timeout: goDuration(http2KeepAlive.timeout) ?? durationOf(DEFAULT_PING_TIMEOUT_MS),
      },
    }),
  };
}
