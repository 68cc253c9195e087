import { stableStringify } from '@lateen/base';
import {
  type Filter,
  type FilterChain,
  FilterChainSchema,
  HttpConnectionManagerSchema,
  httpInspectorListenerFilter,
  istioStats,
  type Listener,
  Listener_DrainType,
  type ListenerFilter,
  type ListenerFilterChainMatchPredicate,
  ListenerSchema,
  originalDstListenerFilter,
  TcpProxySchema,
  TrafficDirection,
  tlsInspectorListenerFilter,
} from '@lateen/xds/messages/proxy';
import type { FilterChainRuntime, ListenerFilterRuntime, ListenerRuntime, NetworkFilterRuntime } from '../model.ts';
import { compileAccessLogs } from './access-log.ts';
import { compileAny, extension } from './any.ts';
import { compileChainMatch, type MatchableChain, matchFilterChain } from './chain-match.ts';
import { type PreviousListener, sharableChains } from './chain-sharing.ts';
import { compileHcm } from './hcm.ts';
import { compileIstioStats } from './http-filters.ts';
import { honours, type Report } from './report.ts';
import { compileTcpProxy } from './tcp-proxy.ts';
import { compileDownstreamTransport } from './transport-socket.ts';
import { durationMsOr, metadataOf, socketAddressOf } from './values.ts';

// Accepted without effect: they tune a kernel or a thread that this proxy does not have.
const WITHOUT_EFFECT = [
  'connectionBalanceConfig',
  'tcpFastOpenQueueLength',
  'maxConnectionsToAcceptPerSocketEvent',
  'ignoreGlobalConnLimit',
  'bypassOverloadManager',
  'freebind',
];
const check = honours(ListenerSchema, [
  'name',
  'address',
  'additionalAddresses',
  'statPrefix',
  'filterChains',
  'useOriginalDst',
  'defaultFilterChain',
  'perConnectionBufferLimitBytes',
  'metadata',
  'deprecatedV1',
  'drainType',
  'listenerFilters',
  'listenerFiltersTimeout',
  'continueOnListenerFiltersTimeout',
  'trafficDirection',
  'reusePort',
  'enableReusePort',
  'accessLog',
  'tcpBacklogSize',
  'bindToPort',
  ...WITHOUT_EFFECT,
]);

const DIRECTION: Partial<Record<number, ListenerRuntime['trafficDirection']>> = {
  [TrafficDirection.INBOUND]: 'inbound',
  [TrafficDirection.OUTBOUND]: 'outbound',
};

/** Filter chains that are as in `previous` are its objects. */
export function compileListener(message: Listener, report: Report, previous?: PreviousListener): ListenerRuntime {
  check(message, report);
  const compileChain = sharing(message, previous);
  const chains = message.filterChains.map((chain, i) => compileChain(chain, report.at('filter_chains', i)));
  refuseDuplicates(message, report);
  const fallback = message.defaultFilterChain && compileChain(message.defaultFilterChain, report.at('default_filter_chain')).chain;
  if (chains.length === 0 && !fallback) report.at('filter_chains').refuse('must not be empty');
  const addresses = [
    socketAddressOf(message.address, report.at('address')),
    ...message.additionalAddresses.map((each, i) => socketAddressOf(each.address, report.at('additional_addresses', i).at('address'))),
  ];
  return {
    name: message.name,
    addresses: addresses.filter((address) => address !== undefined),
    trafficDirection: DIRECTION[message.trafficDirection] ?? 'unspecified',
    bindToPort: message.bindToPort ?? message.deprecatedV1?.bindToPort ?? true,
    useOriginalDst: message.useOriginalDst ?? false,
    reusePort: message.enableReusePort ?? true,
    backlog: message.tcpBacklogSize ?? 4096,
    listenerFiltersTimeoutMs: durationMsOr(message.listenerFiltersTimeout, 15_000),
    continueOnListenerFiltersTimeout: message.continueOnListenerFiltersTimeout,
    listenerFilters: message.listenerFilters.flatMap((filter, i) => compileListenerFilter(filter, report.at('listener_filters', i)) ?? []),
    perConnectionBufferLimitBytes: message.perConnectionBufferLimitBytes ?? 1024 * 1024,
    matchChain: (connection) => matchFilterChain(chains, connection) ?? fallback,
    filterChains: chains.map(({ chain }) => chain),
    defaultFilterChain: fallback,
    accessLogs: compileAccessLogs(message.accessLog, report),
    metadata: metadataOf(message.metadata),
    statPrefix: message.statPrefix,
    drainType: message.drainType === Listener_DrainType.MODIFY_ONLY ? 'modify_only' : 'default',
  };
}

function refuseDuplicates(message: Listener, report: Report): void {
  const seen = new Map<string, number>();
  message.filterChains.forEach((chain, i) => {
    const { $typeName: _, ...match } = chain.filterChainMatch ?? { $typeName: '' };
    const key = stableStringify(match);
    const earlier = seen.get(key);
    if (earlier === undefined) seen.set(key, i);
    else report.at('filter_chains', i).refuse(`has the same filter_chain_match as filter_chains[${earlier}]`);
  });
}

const checkChain = honours(FilterChainSchema, [
  'filterChainMatch',
  'filters',
  'metadata',
  'transportSocket',
  'transportSocketConnectTimeout',
  'name',
]);

function sharing(message: Listener, previous: PreviousListener | undefined): typeof compileFilterChain {
  const known = sharableChains(message, previous);
  return (chain, report) => {
    const shared = known(chain);
    // Its match is compiled again: it says where the chain stands in this listener, and costs little.
    return shared
      ? { match: compileChainMatch(chain.filterChainMatch, report.at('filter_chain_match')), chain: shared }
      : compileFilterChain(chain, report);
  };
}

function compileFilterChain(message: FilterChain, report: Report): MatchableChain {
  checkChain(message, report);
  const match = compileChainMatch(message.filterChainMatch, report.at('filter_chain_match'));
  const compiled = message.filters.map((filter, i) => compileNetworkFilter(filter, report.at('filters', i)));
  const networkFilters = compiled.flatMap((filter) => (filter && 'network' in filter ? [filter.network] : []));
  const terminals = compiled.flatMap((filter) => (filter && 'terminal' in filter ? [filter.terminal] : []));
  const last = compiled.at(-1);
  if (terminals.length !== 1 || (last && !('terminal' in last))) {
    report.at('filters').refuse('must end with the one tcp_proxy or http_connection_manager');
  }
  const chain: FilterChainRuntime = {
    name: message.name,
    match,
    tls: compileDownstreamTransport(message.transportSocket, report.at('transport_socket')),
    transportSocketConnectTimeoutMs: durationMsOr(message.transportSocketConnectTimeout, 0),
    networkFilters,
    terminal: terminals[0] ?? { kind: 'tcp', tcp: NO_TCP },
    metadata: metadataOf(message.metadata),
  };
  return { match, chain };
}

// Stands for a terminal filter that was refused; a listener with refusals is never served.
const NO_TCP = {
  statPrefix: '',
  clusters: [],
  pickCluster: () => '',
  idleTimeoutMs: 0,
  maxConnectAttempts: 1,
  maxDownstreamConnectionDurationMs: 0,
  accessLogs: [],
  hashSourceIp: false,
  metadataMatch: undefined,
};

type CompiledFilter = { network: NetworkFilterRuntime } | { terminal: FilterChainRuntime['terminal'] };

function compileNetworkFilter(filter: Filter, report: Report): CompiledFilter | undefined {
  const { name } = filter;
  if (filter.configType.case === 'configDiscovery') {
    report.at('config_discovery').refuse('is not supported');
    return undefined;
  }
  return compileAny<CompiledFilter>(
    filter.configType.value,
    [
      extension(HttpConnectionManagerSchema, (message, at) => ({ terminal: { kind: 'http', hcm: compileHcm(message, at) } })),
      extension(TcpProxySchema, (message, at) => ({ terminal: { kind: 'tcp', tcp: compileTcpProxy(message, at) } })),
      extension(istioStats.PluginConfigSchema, (message, at) => ({
        network: { name, kind: 'istio_stats', tcpReportingIntervalMs: compileIstioStats(message, at).tcpReportingIntervalMs },
      })),
    ],
    report.at('typed_config'),
  );
}

type ListenerFilterKind = ListenerFilterRuntime['kind'];
const LISTENER_FILTERS = [
  extension(originalDstListenerFilter.OriginalDstSchema, (): ListenerFilterKind => 'original_dst'),
  extension(tlsInspectorListenerFilter.TlsInspectorSchema, (): ListenerFilterKind => 'tls_inspector'),
  extension(httpInspectorListenerFilter.HttpInspectorSchema, (): ListenerFilterKind => 'http_inspector'),
];

function compileListenerFilter(filter: ListenerFilter, report: Report): ListenerFilterRuntime | undefined {
  const kind = compileAny(
    filter.configType.case === 'typedConfig' ? filter.configType.value : undefined,
    LISTENER_FILTERS,
    report.at('typed_config'),
  );
  const isDisabled = compilePortPredicate(filter.filterDisabled, report.at('filter_disabled'));
  return kind && { kind, isDisabled };
}

function compilePortPredicate(predicate: ListenerFilterChainMatchPredicate | undefined, report: Report): (port: number) => boolean {
  const rule = predicate?.rule;
  switch (rule?.case) {
    case 'destinationPortRange': {
      const { start, end } = rule.value;
      return (port) => port >= start && port < end;
    }
    case 'anyMatch':
      return () => rule.value;
    case 'notMatch': {
      const inner = compilePortPredicate(rule.value, report.at('not_match'));
      return (port) => !inner(port);
    }
    case 'orMatch':
    case 'andMatch': {
      const all = rule.value.rules.map((each, i) =>
        compilePortPredicate(each, report.at(rule.case === 'orMatch' ? 'or_match' : 'and_match').at('rules', i)),
      );
      return rule.case === 'orMatch' ? (port) => all.some((each) => each(port)) : (port) => all.every((each) => each(port));
    }
    case undefined:
      if (predicate) report.refuse('a rule is required');
      return () => false;
  }
}
