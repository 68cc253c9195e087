// Public entry of @lateen/api.

export type { IstioCondition, IstioStatus, KubeObjectLike, ObjectMeta, Resource } from './kube-object.ts';
export type { DestinationRule, DestinationRuleSpec, Subset } from './networking/destination-rule.ts';
export type { Gateway, GatewaySpec, Server } from './networking/gateway.ts';
export type { ServiceEntry, ServiceEntrySpec, ServiceEntryStatus, ServicePort } from './networking/service-entry.ts';
export type {
  IstioEgressListener,
  IstioIngressListener,
  OutboundTrafficPolicy,
  Sidecar,
  SidecarPort,
  SidecarSpec,
} from './networking/sidecar.ts';
export type {
  ClientTls,
  ConnectionPoolSettings,
  ConsistentHash,
  LoadBalancerSettings,
  LocalityLoadBalancerSetting,
  OutlierDetection,
  PortTrafficPolicy,
  TcpKeepalive,
  TrafficPolicy,
} from './networking/traffic-policy.ts';
export type {
  CorsPolicy,
  Destination,
  Headers,
  HTTPFaultInjection,
  HTTPMatchRequest,
  HTTPRetry,
  HTTPRoute,
  HTTPRouteDestination,
  RouteDestination,
  TCPRoute,
  TLSRoute,
  VirtualService,
  VirtualServiceSpec,
} from './networking/virtual-service.ts';
export type { WorkloadEntry, WorkloadEntrySpec } from './networking/workload-entry.ts';
export type { ReadinessProbe, WorkloadGroup, WorkloadGroupSpec } from './networking/workload-group.ts';
export type {
  NetworkingWorkloadSelector,
  PolicyTargetReference,
  PortSelector,
  ServerPort,
  ServerTls,
  StringMatch,
  WorkloadSelector,
} from './schema/shared.ts';
