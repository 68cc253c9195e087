// Istio's kinds and the parts of them that the translation reads, under one import.

export type {
  ConnectionPoolSettings as ConnectionPool,
  CorsPolicy as CorsPolicySpec,
  Destination,
  DestinationRule,
  Gateway,
  Headers,
  HTTPFaultInjection as HttpFaultInjection,
  HTTPMatchRequest as HttpMatchRequest,
  HTTPRetry as HttpRetry,
  HTTPRoute as HttpRoute,
  HTTPRouteDestination as HttpRouteDestination,
  LoadBalancerSettings as LoadBalancerSpec,
  LocalityLoadBalancerSetting as LocalityLbSetting,
  OutboundTrafficPolicy,
  OutlierDetection as OutlierDetectionSpec,
  PortTrafficPolicy,
  ProxyConfig,
  RouteDestination,
  Server as GatewayServer,
  ServiceEntry,
  ServiceEntrySpec,
  Sidecar,
  StringMatch,
  Subset,
  Telemetry,
  TrafficPolicy,
  VirtualService,
  VirtualServiceSpec,
  WorkloadEntry,
  WorkloadEntrySpec,
} from '@lateen/api';

import type { Headers, HTTPRoute, TCPRoute } from '@lateen/api';

export type HttpRedirect = NonNullable<HTTPRoute['redirect']>;
export type HeaderOperations = NonNullable<Headers['request']>;
/** What a tcp and a tls match have in common. */
export type L4Match = NonNullable<TCPRoute['match']>[number];
