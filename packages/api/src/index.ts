// Public entry of @lateen/api.

export { type CrdVersion, type CustomResourceDefinition, crds } from './crds/crds.ts';
export { DEFAULT_OUTLIER_DETECTION, DEFAULT_RETRY, declaredMtlsMode, effectiveAlgorithm, effectiveWeights } from './defaults.ts';
export type { WasmPlugin, WasmPluginSpec } from './extensions/wasm-plugin.ts';
export { CATALOGUE, type CatalogueEntry, catalogueEntry } from './findings/catalogue.ts';
export {
  compareFindings,
  type Finding,
  type FindingLevel,
  formatFinding,
  formatResourceRef,
  type ResourceRef,
} from './findings/finding.ts';
export { Report } from './findings/report.ts';
export { KINDS, type KindInfo, kindOf, kindOfObject, type PrinterColumn } from './kinds.ts';
export type { IstioCondition, IstioStatus, KubeObjectLike, ObjectMeta, Resource } from './kube-object.ts';
export type { DestinationRule, DestinationRuleSpec, Subset } from './networking/destination-rule.ts';
export type { EnvoyConfigObjectPatch, EnvoyFilter, EnvoyFilterSpec } from './networking/envoy-filter.ts';
export type { Gateway, GatewaySpec, Server } from './networking/gateway.ts';
export { GRPC_STATUS_NAMES } from './networking/grpc-status.ts';
export type { ProxyConfig, ProxyConfigSpec } from './networking/proxy-config.ts';
export type { ServiceEntry, ServiceEntrySpec, ServiceEntryStatus, ServicePort } from './networking/service-entry.ts';
export { isAutoAllocated } from './networking/service-entry-rules.ts';
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
export type { SchemaNode } from './schema/build.ts';
export type {
  NetworkingWorkloadSelector,
  PolicyTargetReference,
  PortSelector,
  ServerPort,
  ServerTls,
  StringMatch,
  WorkloadSelector,
} from './schema/shared.ts';
export { closestName } from './schema/suggest.ts';
export type { AuthorizationPolicy, AuthorizationPolicySpec, Condition, Operation, Rule, Source } from './security/authorization-policy.ts';
export type { MutualTls, PeerAuthentication, PeerAuthenticationSpec } from './security/peer-authentication.ts';
export type { JWTRule, RequestAuthentication, RequestAuthenticationSpec } from './security/request-authentication.ts';
export type { AccessLogging, Metrics, Telemetry, TelemetrySpec, Tracing } from './telemetry/telemetry.ts';
export { repairIndentation } from './validate/indentation.ts';
export { parseServicePortProtocol } from './validate/protocol.ts';
export { isWellTyped, resourceRefOf, validateResource } from './validate/resource.ts';
export { isClaimName } from './validate/values.ts';
