// The fields of Istio's objects that the translation reads. Structural on purpose: objects have been validated against
// the full schemas of @lateen/api before they come here, or are taken as they are.

import type { ObjectMeta } from '@lateen/kube/types';

export type StringMatch = { exact?: string; prefix?: string; regex?: string };
export type PortSelector = { number?: number };
export type Destination = { host: string; subset?: string; port?: PortSelector };
export type Percent = { value?: number };
export type HeaderOperations = { set?: Record<string, string>; add?: Record<string, string>; remove?: string[] };
export type Headers = { request?: HeaderOperations; response?: HeaderOperations };

export type HttpMatchRequest = {
  name?: string;
  uri?: StringMatch;
  scheme?: StringMatch;
  method?: StringMatch;
  authority?: StringMatch;
  headers?: Record<string, StringMatch>;
  withoutHeaders?: Record<string, StringMatch>;
  queryParams?: Record<string, StringMatch>;
  ignoreUriCase?: boolean;
  port?: number;
  sourceLabels?: Record<string, string>;
  sourceNamespace?: string;
  gateways?: string[];
  statPrefix?: string;
};

export type HttpRouteDestination = { destination: Destination; weight?: number; headers?: Headers };
export type HttpRewrite = { uri?: string; authority?: string; uriRegexRewrite?: { match?: string; rewrite?: string } };
export type HttpRedirect = {
  uri?: string;
  prefixRewrite?: string;
  authority?: string;
  port?: number;
  derivePort?: 'FROM_PROTOCOL_DEFAULT' | 'FROM_REQUEST_PORT';
  scheme?: string;
  redirectCode?: number;
};
export type HttpDirectResponse = { status: number; body?: { string?: string; bytes?: string } };
export type HttpRetry = {
  attempts?: number;
  perTryTimeout?: string;
  retryOn?: string;
  retryRemoteLocalities?: boolean;
  retryIgnorePreviousHosts?: boolean;
  backoff?: string;
};
export type HttpFaultInjection = {
  delay?: { fixedDelay?: string; percent?: number; percentage?: Percent };
  abort?: { httpStatus?: number; grpcStatus?: string; http2Error?: string; percentage?: Percent };
};
export type CorsPolicySpec = {
  allowOrigin?: string[];
  allowOrigins?: StringMatch[];
  allowMethods?: string[];
  allowHeaders?: string[];
  exposeHeaders?: string[];
  maxAge?: string;
  allowCredentials?: boolean;
  unmatchedPreflights?: 'UNSPECIFIED' | 'FORWARD' | 'IGNORE';
};
export type HttpRoute = {
  name?: string;
  match?: HttpMatchRequest[];
  route?: HttpRouteDestination[];
  redirect?: HttpRedirect;
  directResponse?: HttpDirectResponse;
  delegate?: { name?: string; namespace?: string };
  rewrite?: HttpRewrite;
  timeout?: string;
  retries?: HttpRetry;
  fault?: HttpFaultInjection;
  mirror?: Destination;
  mirrors?: { destination: Destination; percentage?: Percent }[];
  mirrorPercent?: number;
  mirrorPercentage?: Percent;
  corsPolicy?: CorsPolicySpec;
  headers?: Headers;
};

export type L4Match = {
  destinationSubnets?: string[];
  port?: number;
  sourceLabels?: Record<string, string>;
  sourceNamespace?: string;
  gateways?: string[];
};
export type RouteDestination = { destination: Destination; weight?: number };
export type TlsRoute = { match?: (L4Match & { sniHosts?: string[] })[]; route?: RouteDestination[] };
export type TcpRoute = { match?: L4Match[]; route?: RouteDestination[] };

export type VirtualServiceSpec = {
  hosts?: string[];
  gateways?: string[];
  http?: HttpRoute[];
  tls?: TlsRoute[];
  tcp?: TcpRoute[];
  exportTo?: string[];
};

export type ConnectionPool = {
  tcp?: {
    maxConnections?: number;
    connectTimeout?: string;
    tcpKeepalive?: { probes?: number; time?: string; interval?: string };
    maxConnectionDuration?: string;
    idleTimeout?: string;
  };
  http?: {
    http1MaxPendingRequests?: number;
    http2MaxRequests?: number;
    maxRequestsPerConnection?: number;
    maxRetries?: number;
    idleTimeout?: string;
    h2UpgradePolicy?: 'DEFAULT' | 'DO_NOT_UPGRADE' | 'UPGRADE';
    useClientProtocol?: boolean;
    maxConcurrentStreams?: number;
  };
};
export type OutlierDetectionSpec = {
  consecutiveErrors?: number;
  consecutive5xxErrors?: number;
  consecutiveGatewayErrors?: number;
  consecutiveLocalOriginFailures?: number;
  splitExternalLocalOriginErrors?: boolean;
  interval?: string;
  baseEjectionTime?: string;
  maxEjectionPercent?: number;
  minHealthPercent?: number;
};
export type Warmup = { duration?: string; minimumPercent?: number; aggression?: number };
export type LocalityLbSetting = {
  enabled?: boolean;
  distribute?: { from?: string; to?: Record<string, number> }[];
  failover?: { from?: string; to?: string }[];
  failoverPriority?: string[];
};
export type LoadBalancerSpec = {
  simple?: string;
  consistentHash?: {
    httpHeaderName?: string;
    httpCookie?: { name: string; path?: string; ttl?: string };
    useSourceIp?: boolean;
    httpQueryParameterName?: string;
    ringHash?: { minimumRingSize?: number | string };
    maglev?: { tableSize?: number | string };
    minimumRingSize?: number | string;
  };
  localityLbSetting?: LocalityLbSetting;
  warmupDurationSecs?: string;
  warmup?: Warmup;
};
export type ClientTlsSettings = { mode?: 'DISABLE' | 'SIMPLE' | 'MUTUAL' | 'ISTIO_MUTUAL'; sni?: string; credentialName?: string };
export type PortTrafficPolicy = {
  loadBalancer?: LoadBalancerSpec;
  connectionPool?: ConnectionPool;
  outlierDetection?: OutlierDetectionSpec;
  tls?: ClientTlsSettings;
};
export type TrafficPolicy = PortTrafficPolicy & {
  portLevelSettings?: (PortTrafficPolicy & { port?: PortSelector })[];
  tunnel?: unknown;
  proxyProtocol?: unknown;
};
export type Subset = { name: string; labels?: Record<string, string>; trafficPolicy?: TrafficPolicy };
export type WorkloadSelector = { matchLabels?: Record<string, string> };
export type DestinationRuleSpec = {
  host: string;
  trafficPolicy?: TrafficPolicy;
  subsets?: Subset[];
  exportTo?: string[];
  workloadSelector?: WorkloadSelector;
};

export type IstioPort = { number: number; protocol?: string; name?: string; targetPort?: number };
export type ServerTls = { mode?: string; httpsRedirect?: boolean; credentialName?: string; credentialNames?: string[] };
export type GatewayServer = { port: IstioPort; bind?: string; hosts?: string[]; tls?: ServerTls; name?: string };
export type GatewaySpec = { selector?: Record<string, string>; servers?: GatewayServer[] };

export type WorkloadEntrySpec = {
  address?: string;
  ports?: Record<string, number>;
  labels?: Record<string, string>;
  network?: string;
  locality?: string;
  weight?: number;
  serviceAccount?: string;
};
export type ServiceEntrySpec = {
  hosts?: string[];
  addresses?: string[];
  ports?: IstioPort[];
  location?: 'MESH_EXTERNAL' | 'MESH_INTERNAL';
  resolution?: 'NONE' | 'STATIC' | 'DNS' | 'DNS_ROUND_ROBIN' | 'DYNAMIC_DNS';
  endpoints?: WorkloadEntrySpec[];
  workloadSelector?: { labels?: Record<string, string> };
  exportTo?: string[];
};

export type OutboundTrafficPolicy = { mode?: 'ALLOW_ANY' | 'REGISTRY_ONLY' };
export type SidecarSpec = {
  workloadSelector?: { labels?: Record<string, string> };
  ingress?: unknown[];
  egress?: { port?: IstioPort; bind?: string; captureMode?: string; hosts?: string[] }[];
  outboundTrafficPolicy?: OutboundTrafficPolicy;
};

export type TelemetrySpec = {
  selector?: WorkloadSelector;
  accessLogging?: { match?: { mode?: string }; providers?: { name: string }[]; disabled?: boolean; filter?: { expression?: string } }[];
};

export type IstioObject<Spec> = { apiVersion: string; kind: string; metadata: ObjectMeta; spec: Spec };
export type VirtualService = IstioObject<VirtualServiceSpec>;
export type DestinationRule = IstioObject<DestinationRuleSpec>;
export type Gateway = IstioObject<GatewaySpec>;
export type ServiceEntry = IstioObject<ServiceEntrySpec>;
export type WorkloadEntry = IstioObject<WorkloadEntrySpec>;
export type Sidecar = IstioObject<SidecarSpec>;
export type Telemetry = IstioObject<TelemetrySpec>;
