// The xDS messages that the data plane reads: what the control plane writes, and what other control planes may write besides.

export * from './config.ts';
export * from './gen/envoy/config/core/v3/proxy_protocol_pb.ts';
export * from './gen/envoy/config/core/v3/substitution_format_string_pb.ts';
export * as streamAccessLogger from './gen/envoy/extensions/access_loggers/stream/v3/stream_pb.ts';
export * as headerMutationHttpFilter from './gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.ts';
export * as healthCheckHttpFilter from './gen/envoy/extensions/filters/http/health_check/v3/health_check_pb.ts';
export * as localRatelimitListenerFilter from './gen/envoy/extensions/filters/listener/local_ratelimit/v3/local_ratelimit_pb.ts';
export * as proxyProtocolListenerFilter from './gen/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol_pb.ts';
export * as connectionLimitNetworkFilter from './gen/envoy/extensions/filters/network/connection_limit/v3/connection_limit_pb.ts';
export * as directResponseNetworkFilter from './gen/envoy/extensions/filters/network/direct_response/v3/config_pb.ts';
export * as echoNetworkFilter from './gen/envoy/extensions/filters/network/echo/v3/echo_pb.ts';
export * as localRatelimitNetworkFilter from './gen/envoy/extensions/filters/network/local_ratelimit/v3/local_rate_limit_pb.ts';
export * as setFilterStateNetworkFilter from './gen/envoy/extensions/filters/network/set_filter_state/v3/set_filter_state_pb.ts';
export * as sniClusterNetworkFilter from './gen/envoy/extensions/filters/network/sni_cluster/v3/sni_cluster_pb.ts';
export * as clusterProvidedLbPolicy from './gen/envoy/extensions/load_balancing_policies/cluster_provided/v3/cluster_provided_pb.ts';
export * as commonLbPolicy from './gen/envoy/extensions/load_balancing_policies/common/v3/common_pb.ts';
export * as leastRequestLbPolicy from './gen/envoy/extensions/load_balancing_policies/least_request/v3/least_request_pb.ts';
export * as maglevLbPolicy from './gen/envoy/extensions/load_balancing_policies/maglev/v3/maglev_pb.ts';
export * as randomLbPolicy from './gen/envoy/extensions/load_balancing_policies/random/v3/random_pb.ts';
export * as ringHashLbPolicy from './gen/envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash_pb.ts';
export * as roundRobinLbPolicy from './gen/envoy/extensions/load_balancing_policies/round_robin/v3/round_robin_pb.ts';
export * as wrrLocalityLbPolicy from './gen/envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality_pb.ts';
export * as proxyProtocolTransportSocket from './gen/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol_pb.ts';
export * as rawBufferTransportSocket from './gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.ts';
export * as istioMetadataExchange from './gen/envoy/tcp/metadataexchange/config/metadata_exchange_pb.ts';
export * as typeMatcherRegex from './gen/envoy/type/matcher/v3/regex_pb.ts';
export * as istioAlpn from './gen/istio/envoy/alpn_pb.ts';
