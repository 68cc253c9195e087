// The xDS messages that the control plane writes: resources, discovery, and the extensions its translations use. Apart from the
// rest, because a message costs memory in every process that loads it.

export * from './gen/envoy/config/accesslog/v3/accesslog_pb.ts';
export * from './gen/envoy/config/cluster/v3/circuit_breaker_pb.ts';
export * from './gen/envoy/config/cluster/v3/cluster_pb.ts';
export * from './gen/envoy/config/cluster/v3/outlier_detection_pb.ts';
export * from './gen/envoy/config/core/v3/address_pb.ts';
export * from './gen/envoy/config/core/v3/base_pb.ts';
export * from './gen/envoy/config/core/v3/config_source_pb.ts';
export * from './gen/envoy/config/core/v3/extension_pb.ts';
export * from './gen/envoy/config/core/v3/health_check_pb.ts';
export * from './gen/envoy/config/core/v3/protocol_pb.ts';
export * from './gen/envoy/config/core/v3/proxy_protocol_pb.ts';
export * from './gen/envoy/config/endpoint/v3/endpoint_components_pb.ts';
export * from './gen/envoy/config/endpoint/v3/endpoint_pb.ts';
export * from './gen/envoy/config/listener/v3/listener_components_pb.ts';
export * from './gen/envoy/config/listener/v3/listener_pb.ts';
export * from './gen/envoy/config/route/v3/route_components_pb.ts';
// core.v3 and route.v3 both have a RetryPolicy; the plain name is the route's.
export {
  type RetryPolicy,
  type RetryPolicy_RetryHostPredicate,
  RetryPolicy_RetryHostPredicateSchema,
  type RetryPolicy_RetryPriority,
  RetryPolicy_RetryPrioritySchema,
  RetryPolicySchema,
} from './gen/envoy/config/route/v3/route_components_pb.ts';
export * from './gen/envoy/config/route/v3/route_pb.ts';
export * as fileAccessLogger from './gen/envoy/extensions/access_loggers/file/v3/file_pb.ts';
export * as celAccessLogFilter from './gen/envoy/extensions/access_loggers/filters/cel/v3/cel_pb.ts';
export * as corsHttpFilter from './gen/envoy/extensions/filters/http/cors/v3/cors_pb.ts';
export * as faultHttpFilter from './gen/envoy/extensions/filters/http/fault/v3/fault_pb.ts';
export * as grpcStatsHttpFilter from './gen/envoy/extensions/filters/http/grpc_stats/v3/config_pb.ts';
export * as grpcWebHttpFilter from './gen/envoy/extensions/filters/http/grpc_web/v3/grpc_web_pb.ts';
export * as routerHttpFilter from './gen/envoy/extensions/filters/http/router/v3/router_pb.ts';
export * as httpInspectorListenerFilter from './gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.ts';
export * as originalDstListenerFilter from './gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.ts';
export * as proxyProtocolListenerFilter from './gen/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol_pb.ts';
export * as tlsInspectorListenerFilter from './gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.ts';
export * from './gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
export * from './gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts';
export * as preserveCaseFormatter from './gen/envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case_pb.ts';
export * as previousHostsRetryPredicate from './gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.ts';
export * as previousPrioritiesRetryPriority from './gen/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb.ts';
export * as proxyProtocolTransportSocket from './gen/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol_pb.ts';
export * as rawBufferTransportSocket from './gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.ts';
export * as upstreamHttp from './gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts';
export * from './gen/envoy/service/discovery/v3/ads_pb.ts';
export * from './gen/envoy/service/discovery/v3/discovery_pb.ts';
export * as typeMatcherString from './gen/envoy/type/matcher/v3/string_pb.ts';
export * from './gen/envoy/type/v3/http_status_pb.ts';
export * from './gen/envoy/type/v3/percent_pb.ts';
export * from './gen/envoy/type/v3/range_pb.ts';
export * as istioPeerMetadata from './gen/io/istio/http/peer_metadata_pb.ts';
export * as istioStats from './gen/stats/stats_pb.ts';
