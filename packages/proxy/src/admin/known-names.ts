// Names of statistics that Envoy shows from the start and that are counted here when something happens: until then they are 0.
// Those that count what this proxy does not do (QUIC, tracing, merged updates) stay so.

import { listenerStatName } from '../listener/listener-stats.ts';
import type { Proxy as DataPlane } from '../proxy.ts';
import type { FilterChainRuntime, HttpFilterConfig, ListenerRuntime } from '../runtime/model.ts';

const under = (prefix: string, names: string): string[] => names.split(' ').map((name) => prefix + name);

const OF_HTTP =
  'downstream_cx_delayed_close_timeout downstream_cx_drain_close downstream_cx_idle_timeout downstream_cx_max_duration_reached ' +
  'downstream_cx_max_requests_reached downstream_cx_http3_active downstream_cx_http3_total downstream_rq_http3_total rq_redirect ' +
  'downstream_cx_upgrades_total downstream_rq_too_many_premature_resets ' +
  'passthrough_internal_redirect_bad_location passthrough_internal_redirect_no_route passthrough_internal_redirect_predicate ' +
  'passthrough_internal_redirect_too_many_redirects passthrough_internal_redirect_unsafe_scheme ' +
  'tracing.client_enabled tracing.health_check tracing.not_traceable tracing.random_sampling tracing.service_forced';

/** All connections of a version of HTTP together. */
const OF_CODECS =
  'http1.dropped_headers_with_underscores http1.metadata_not_supported_error http1.requests_rejected_with_underscores_in_headers ' +
  'http1.response_flood http2.dropped_headers_with_underscores http2.requests_rejected_with_underscores_in_headers http2.goaway_sent ' +
  'http2.header_list_size_too_large http2.header_overflow http2.inbound_empty_frames_flood http2.inbound_priority_frames_flood ' +
  'http2.inbound_window_update_frames_flood http2.keepalive_timeout http2.outbound_control_flood http2.outbound_flood ' +
  'http2.rx_messaging_error http2.rx_reset http2.trailers http2.tx_flush_timeout http2.tx_reset';

const OF_FILTERS: Partial<Record<HttpFilterConfig['kind'], string>> = {
  cors: 'cors.origin_invalid cors.origin_valid',
  fault: 'fault.aborts_injected fault.delays_injected fault.faults_overflow fault.response_rl_injected',
};

const OF_RATE_LIMITS = 'enabled enforced ok rate_limited shadow_mode';

const OF_CLUSTERS =
  'assignment_stale assignment_timeout_received assignment_use_cached bind_errors upstream_cx_connect_with_0_rtt upstream_cx_http3_total ' +
  'upstream_cx_preconnect_skipped upstream_http3_broken upstream_internal_redirect_failed_total upstream_internal_redirect_succeeded_total ' +
  'upstream_rq_0rtt upstream_rq_maintenance_mode';

const OF_INSPECTORS: Readonly<Record<string, string>> = {
  tls: 'tls_inspector.alpn_found tls_inspector.alpn_not_found tls_inspector.client_hello_too_large tls_inspector.sni_found tls_inspector.sni_not_found tls_inspector.tls_found tls_inspector.tls_not_found',
  http: 'http_inspector.http10_found http_inspector.http11_found http_inspector.http2_found http_inspector.http_not_found',
};

const OF_THE_SERVER =
  'cluster_manager.cluster_updated_via_merge cluster_manager.update_merge_cancelled cluster_manager.update_out_of_merge_window ' +
  'runtime.deprecated_feature_use runtime.load_error runtime.override_dir_exists server.debug_assertion_failures ' +
  'server.dropped_stat_flushes server.dynamic_unknown_fields server.envoy_bug_failures server.envoy_notifications ' +
  'server.static_unknown_fields server.wip_protos';

/** Every such name of the configuration in force. */
export function knownNames(proxy: DataPlane): string[] {
  const listeners = proxy.listeners().map(({ runtime }) => runtime);
  return [
    ...OF_THE_SERVER.split(' '),
    ...(listeners.some((listener) => chainsOf(listener).some(({ terminal }) => terminal.kind === 'http')) ? OF_CODECS.split(' ') : []),
    ...proxy.clusters().flatMap(({ runtime }) => under(`cluster.${runtime.statName}.`, OF_CLUSTERS)),
    ...listeners.flatMap((listener) => [
      ...under(`listener.${listenerStatName(listener)}.`, 'extension_config_missing network_extension_config_missing'),
      ...inspectorsOf(listener),
      ...chainsOf(listener).flatMap(ofChain),
    ]),
  ];
}

const chainsOf = ({ filterChains, defaultFilterChain }: ListenerRuntime): readonly FilterChainRuntime[] =>
  defaultFilterChain ? [...filterChains, defaultFilterChain] : filterChains;

const inspectorsOf = ({ listenerFilters }: ListenerRuntime): string[] =>
  listenerFilters.flatMap(({ kind }) => {
    const names = OF_INSPECTORS[kind.replace('_inspector', '')];
    return names === undefined ? [] : names.split(' ');
  });

function ofChain({ terminal }: FilterChainRuntime): string[] {
  if (terminal.kind !== 'http') return [];
  const { statPrefix, filters } = terminal.hcm;
  const prefix = `http.${statPrefix}.`;
  return [
    ...under(prefix, OF_HTTP),
    ...filters.flatMap((filter) => {
      if (filter.kind === 'local_ratelimit') return under(`${filter.limit.statPrefix}.http_local_rate_limit.`, OF_RATE_LIMITS);
      const names = OF_FILTERS[filter.kind];
      return names === undefined ? [] : under(prefix, names);
    }),
  ];
}
