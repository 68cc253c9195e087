// The network filters of a chain: those that only look at the connection, and the one that takes it over (the terminal one).

import {
  connectionLimitNetworkFilter,
  directResponseNetworkFilter,
  echoNetworkFilter,
  type Filter,
  HttpConnectionManagerSchema,
  istioMetadataExchange,
  istioStats,
  localRatelimitNetworkFilter,
  setFilterStateNetworkFilter,
  sniClusterNetworkFilter,
  TcpProxySchema,
} from '@lateen/xds/messages/proxy';
import { parseFormat } from '../format.ts';
import type { ConnectionStateValue, FilterChainRuntime, NetworkFilterConfig, NetworkFilterRuntime } from '../model.ts';
import { compileAny, extension } from './any.ts';
import { compileHcm } from './hcm.ts';
import { compileIstioStats } from './http-filters.ts';
import { honours, type Report } from './report.ts';
import { compileRuntimeFlag } from './runtime-flag.ts';
import { compileTcpProxy } from './tcp-proxy.ts';
import { compileTokenBucket } from './token-bucket.ts';
import { durationMsOr, inlineTextOf } from './values.ts';

type Terminal = FilterChainRuntime['terminal'];
type Compiled = { readonly network: NetworkFilterConfig } | { readonly terminal: Terminal };

const checkLimit = honours(connectionLimitNetworkFilter.ConnectionLimitSchema, ['statPrefix', 'maxConnections', 'delay', 'runtimeEnabled']);
const checkRate = honours(localRatelimitNetworkFilter.LocalRateLimitSchema, ['statPrefix', 'tokenBucket', 'shareKey', 'runtimeEnabled']);
const checkState = honours(setFilterStateNetworkFilter.ConfigSchema, ['onNewConnection']);

const FILTERS = [
  extension(HttpConnectionManagerSchema, (message, at): Compiled => ({ terminal: { kind: 'http', hcm: compileHcm(message, at) } })),
  extension(TcpProxySchema, (message, at): Compiled => ({ terminal: { kind: 'tcp', tcp: compileTcpProxy(message, at) } })),
  extension(echoNetworkFilter.EchoSchema, (): Compiled => ({ terminal: { kind: 'echo' } })),
  extension(
    directResponseNetworkFilter.ConfigSchema,
    (message, at): Compiled => ({ terminal: { kind: 'direct_response', text: inlineTextOf(message.response, at.at('response')) } }),
  ),
  extension(
    istioStats.PluginConfigSchema,
    (message, at): Compiled => ({ network: { kind: 'istio_stats', stats: compileIstioStats(message, at) } }),
  ),
  extension(istioMetadataExchange.MetadataExchangeSchema, (message): Compiled => {
    const { protocol, enableDiscovery, additionalLabels } = message;
    return { network: { kind: 'metadata_exchange', exchange: { protocol, enableDiscovery, additionalLabels } } };
  }),
  extension(connectionLimitNetworkFilter.ConnectionLimitSchema, (message, at): Compiled => {
    checkLimit(message, at);
    const maxConnections = Number(message.maxConnections ?? 0n);
    const delayMs = durationMsOr(message.delay, 0);
    const enabled = compileRuntimeFlag(message.runtimeEnabled);
    return { network: { kind: 'connection_limit', statPrefix: message.statPrefix, maxConnections, delayMs, enabled } };
  }),
  extension(localRatelimitNetworkFilter.LocalRateLimitSchema, (message, at): Compiled => {
    checkRate(message, at);
    const bucket = compileTokenBucket(message.tokenBucket, at.at('token_bucket'));
    const { statPrefix, shareKey } = message;
    return { network: { kind: 'local_rate_limit', statPrefix, bucket, shareKey, enabled: compileRuntimeFlag(message.runtimeEnabled) } };
  }),
  extension(sniClusterNetworkFilter.SniClusterSchema, (): Compiled => ({ network: { kind: 'sni_cluster' } })),
  extension(setFilterStateNetworkFilter.ConfigSchema, (message, at): Compiled => {
    checkState(message, at);
    return { network: { kind: 'set_filter_state', values: compileStateValues(message.onNewConnection, at) } };
  }),
];

function compileStateValues(
  values: setFilterStateNetworkFilter.Config['onNewConnection'],
  report: Report,
): readonly ConnectionStateValue[] {
  return values.flatMap((value, i) => {
    const at = report.at('on_new_connection', i);
    const source = value.value.value?.format;
    if (value.key.case !== 'objectKey') at.at('object_key').refuse('is required');
    if (source?.case !== 'textFormatSource') {
      at.at('format_string').refuse('only text_format_source is supported');
      return [];
    }
    const format = at.at('format_string').take(parseFormat(inlineTextOf(source.value, at.at('format_string').at('text_format_source'))));
    return format ? [{ key: value.key.value ?? '', format, skipIfEmpty: value.skipIfEmpty }] : [];
  });
}

// Stands for a terminal filter that was refused; a listener with refusals is never served.
const NONE: Terminal = { kind: 'echo' };

export function compileNetworkFilters(
  filters: readonly Filter[],
  report: Report,
): { readonly networkFilters: readonly NetworkFilterRuntime[]; readonly terminal: Terminal } {
  // As Envoy has it: nobody serves such a connection.
  if (filters.length === 0) return { networkFilters: [], terminal: { kind: 'closed' } };
  const networkFilters: NetworkFilterRuntime[] = [];
  let terminal: Terminal | undefined;
  let isLast = true;
  for (const [i, filter] of filters.entries()) {
    const at = report.at('filters', i);
    if (filter.configType.case === 'configDiscovery') at.at('config_discovery').refuse('is not supported');
    const compiled = compileAny<Compiled>(
      filter.configType.case === 'typedConfig' ? filter.configType.value : undefined,
      FILTERS,
      at.at('typed_config'),
    );
    if (!compiled) isLast = false;
    else if ('network' in compiled) networkFilters.push({ name: filter.name, ...compiled.network });
    isLast = compiled !== undefined && 'terminal' in compiled && !terminal;
    if (compiled && 'terminal' in compiled) terminal = compiled.terminal;
  }
  if (!terminal || !isLast)
    report
      .at('filters')
      .refuse('must end with one filter that takes the connection over: http_connection_manager, tcp_proxy, echo or direct_response');
  return { networkFilters, terminal: terminal ?? NONE };
}
