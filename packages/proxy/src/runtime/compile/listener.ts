import {
  type FilterChain,
  FilterChainSchema,
  type Listener,
  Listener_DrainType,
  ListenerSchema,
  TrafficDirection,
} from '@lateen/xds/messages/proxy';
import type { FilterChainRuntime, ListenerRuntime } from '../model.ts';
import { compileAccessLogs } from './access-log.ts';
import { compileChainMatch, findOverlap, type MatchableChain, matchFilterChain } from './chain-match.ts';
import { type PreviousListener, sharableChains } from './chain-sharing.ts';
import { compileAdditionalAddress, compileKeepalive, compileListenerAddress } from './listener-address.ts';
import { compileListenerFilter } from './listener-filters.ts';
import { compileNetworkFilters } from './network-filters.ts';
import { honours, type Report } from './report.ts';
import { compileDownstreamTransport } from './transport-socket.ts';
import { durationMsOr, metadataOf } from './values.ts';

// Accepted without effect: they tune a kernel or a thread that this proxy does not have.
const WITHOUT_EFFECT = ['connectionBalanceConfig', 'tcpFastOpenQueueLength', 'maxConnectionsToAcceptPerSocketEvent', 'freebind'];
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
  'ignoreGlobalConnLimit',
  'bypassOverloadManager',
  'socketOptions',
  'tcpKeepalive',
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
  const overlap = findOverlap(chains.map(({ match }) => match));
  if (overlap)
    report.at('filter_chains', overlap.later).refuse(`cannot be told from filter_chains[${overlap.earlier}] by its filter_chain_match`);
  const fallback = message.defaultFilterChain && compileChain(message.defaultFilterChain, report.at('default_filter_chain')).chain;
  if (chains.length === 0 && !fallback) report.at('filter_chains').refuse('must not be empty');
  const addresses = [
    compileListenerAddress(message.address, report.at('address')),
    ...message.additionalAddresses.map((each, i) => compileAdditionalAddress(each, report.at('additional_addresses', i))),
  ];
  return {
    name: message.name,
    addresses: addresses.filter((address) => address !== undefined),
    keepalive: compileKeepalive(message, report),
    trafficDirection: DIRECTION[message.trafficDirection] ?? 'unspecified',
    bindToPort: message.bindToPort ?? message.deprecatedV1?.bindToPort ?? true,
    useOriginalDst: message.useOriginalDst ?? false,
    reusePort: message.enableReusePort ?? true,
    backlog: message.tcpBacklogSize ?? 4096,
    listenerFiltersTimeoutMs: durationMsOr(message.listenerFiltersTimeout, 15_000),
    continueOnListenerFiltersTimeout: message.continueOnListenerFiltersTimeout,
    listenerFilters: message.listenerFilters.flatMap((filter, i) => compileListenerFilter(filter, report.at('listener_filters', i)) ?? []),
    perConnectionBufferLimitBytes: message.perConnectionBufferLimitBytes ?? 1024 * 1024,
    ignoreGlobalConnLimit: message.ignoreGlobalConnLimit,
    bypassOverloadManager: message.bypassOverloadManager,
    matchChain: matcherOf(chains, fallback),
    filterChains: chains.map(({ chain }) => chain),
    defaultFilterChain: fallback,
    accessLogs: compileAccessLogs(message.accessLog, report),
    metadata: metadataOf(message.metadata),
    statPrefix: message.statPrefix,
    drainType: message.drainType === Listener_DrainType.MODIFY_ONLY ? 'modify_only' : 'default',
  };
}

// On its own: a closure inside compileListener would keep `previous` alive, and with it every version of the listener there ever was.
const matcherOf =
  (chains: readonly MatchableChain[], fallback: FilterChainRuntime | undefined): ListenerRuntime['matchChain'] =>
  (connection) =>
    matchFilterChain(chains, connection) ?? fallback;

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
  const { networkFilters, terminal } = compileNetworkFilters(message.filters, report);
  const chain: FilterChainRuntime = {
    name: message.name,
    match,
    tls: compileDownstreamTransport(message.transportSocket, report.at('transport_socket')),
    transportSocketConnectTimeoutMs: durationMsOr(message.transportSocketConnectTimeout, 0),
    networkFilters,
    terminal,
    metadata: metadataOf(message.metadata),
  };
  return { match, chain };
}
