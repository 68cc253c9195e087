// What of Istio's API this version accepts and stores but does not act on, as tables: a feature that is built loses its line.

/** `path` is dotted, "[]" means each entry. Said when something is there, or when `applies` says so. */
export type Gap = { path: string; what: string; applies?: (value: unknown) => boolean };

/** Kinds without any effect, and what that means. */
export const KINDS_WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  PeerAuthentication: 'connections stay plaintext',
  RequestAuthentication: 'tokens are not checked',
  AuthorizationPolicy: 'no request is denied by it',
  EnvoyFilter: 'no configuration is patched by it',
  WasmPlugin: 'no module is loaded',
  WorkloadGroup: 'no workload is registered by it',
};

const isNot =
  (...values: readonly unknown[]) =>
  (value: unknown): boolean =>
    !values.includes(value);
const isNotPrometheus = (value: unknown): boolean => (value as { name?: string } | null)?.name !== 'prometheus';
const hasOtherProvider = (value: unknown): boolean => (value as { name?: string } | null)?.name !== 'envoy';
const hasClaim = (value: unknown): boolean => Object.keys(value as object).some((name) => name.startsWith('@request.auth.'));

// The same for a whole destination, a port of it and a subset.
const TRAFFIC_POLICY: readonly Gap[] = [
  { path: 'tls.mode', what: 'TLS towards the destination (connections stay plaintext)', applies: isNot('DISABLE') },
  { path: 'tunnel', what: 'a tunnel' },
  { path: 'loadBalancer.zoneAwareLbSetting', what: 'zone aware balancing' },
  { path: 'loadBalancer.localityLbSetting.failoverPriority', what: 'failover by labels' },
];

// A sidecar or gateway serves with one thread.
const WORKER_THREADS: Gap = { path: 'concurrency', what: 'another number of worker threads than 1', applies: isNot(1) };

const below = (prefix: string, gaps: readonly Gap[]): Gap[] => gaps.map((gap) => ({ ...gap, path: `${prefix}.${gap.path}` }));

/** Paths below `spec`, by kind of networking.istio.io and telemetry.istio.io. */
export const FIELD_GAPS: Readonly<Record<string, readonly Gap[]>> = {
  VirtualService: [
    { path: 'http[].match[].headers', what: 'matching claims of a token', applies: hasClaim },
    { path: 'http[].match[].withoutHeaders', what: 'matching claims of a token', applies: hasClaim },
    { path: 'http[].fault.delay.exponentialDelay', what: 'an exponential delay' },
    { path: 'http[].fault.abort.http2Error', what: 'an HTTP/2 error as fault' },
    { path: 'http[].mirror_percent', what: 'mirror_percent (write mirrorPercentage)' },
    { path: 'tcp[].match[].sourceSubnet', what: 'matching the source address' },
    { path: 'tls[].match[].sourceSubnet', what: 'matching the source address' },
  ],
  DestinationRule: [
    ...below('trafficPolicy', TRAFFIC_POLICY),
    ...below('trafficPolicy.portLevelSettings[]', TRAFFIC_POLICY),
    ...below('subsets[].trafficPolicy', TRAFFIC_POLICY),
    ...below('subsets[].trafficPolicy.portLevelSettings[]', TRAFFIC_POLICY),
  ],
  Gateway: [
    { path: 'servers[].bind', what: 'an address of its own for a gateway server', applies: isNot('', '0.0.0.0') },
    { path: 'servers[].defaultEndpoint', what: 'a default endpoint', applies: isNot('') },
  ],
  ServiceEntry: [
    {
      path: 'resolution',
      what: 'resolution DYNAMIC_DNS (connections go to their original destination)',
      applies: (it) => it === 'DYNAMIC_DNS',
    },
    { path: 'subjectAltNames', what: 'checking the names in certificates' },
    { path: 'endpoints[].network', what: 'an endpoint of another network', applies: isNot('') },
  ],
  ProxyConfig: [WORKER_THREADS],
  WorkloadEntry: [{ path: 'network', what: 'a workload of another network', applies: isNot('') }],
  Sidecar: [
    { path: 'ingress', what: 'an ingress listener of a Sidecar' },
    { path: 'egress[].port', what: 'an egress listener with its own port' },
    { path: 'egress[].bind', what: 'an egress listener with its own bind address', applies: isNot('') },
    { path: 'egress[].captureMode', what: 'a capture mode', applies: isNot('DEFAULT') },
    { path: 'outboundTrafficPolicy.egressProxy', what: 'sending unknown traffic to an egress proxy' },
    { path: 'inboundConnectionPool', what: 'limiting inbound connections' },
  ],
  Telemetry: [
    { path: 'tracing', what: 'tracing' },
    { path: 'metrics[].providers[]', what: 'a metrics provider besides "prometheus"', applies: isNotPrometheus },
    { path: 'targetRefs', what: 'attaching Telemetry by targetRefs' },
    { path: 'accessLogging[].providers[]', what: 'an access log provider besides "envoy"', applies: hasOtherProvider },
  ],
};

const PROXY_CONFIG: readonly Gap[] = [
  { path: 'configPath', what: 'another folder of generated files', applies: isNot('', './etc/istio/proxy') },
  { path: 'binaryPath', what: 'another binary of the proxy', applies: isNot('', '/usr/local/bin/envoy') },
  { path: 'customConfigFile', what: 'a bootstrap of your own', applies: isNot('') },
  { path: 'proxyBootstrapTemplatePath', what: 'a bootstrap of your own', applies: isNot('') },
  { path: 'tracing', what: 'tracing' },
  { path: 'zipkinAddress', what: 'tracing', applies: isNot('') },
  { path: 'tracingServiceName', what: 'naming services in traces' },
  { path: 'statsdUdpAddress', what: 'sending statistics to statsd', applies: isNot('') },
  { path: 'envoyMetricsServiceAddress', what: 'sending statistics to a service', applies: isNot('') },
  { path: 'envoyMetricsService', what: 'sending statistics to a service' },
  { path: 'envoyAccessLogService', what: 'sending access logs to a service' },
  { path: 'statNameLength', what: 'another limit of the names of statistics', applies: isNot(189) },
  { path: 'extraStatTags', what: 'tagging statistics' },
  { path: 'proxyStatsMatcher', what: 'choosing statistics' },
  { path: 'statsFlushInterval', what: 'another interval of statistics', applies: isNot('5s') },
  { path: 'statsEvictionInterval', what: 'dropping unused statistics', applies: isNot('0s') },
  { path: 'fileFlushInterval', what: 'buffering access logs', applies: isNot('1s') },
  { path: 'fileFlushMinSizeKb', what: 'buffering access logs', applies: isNot(64) },
  WORKER_THREADS,
  { path: 'interceptionMode', what: 'another capture than REDIRECT', applies: isNot('REDIRECT') },
  { path: 'runtimeValues', what: 'runtime values' },
  { path: 'meshId', what: 'meshId (set global.meshID)', applies: isNot('') },
  { path: 'readinessProbe', what: 'probing a workload outside Kubernetes' },
  { path: 'caCertificatesPem', what: 'further roots of trust' },
  { path: 'privateKeyProvider', what: 'hardware for private keys' },
  { path: 'connectionSettings', what: 'hardening a gateway', applies: isNot('UNSPECIFIED') },
];

/** Paths of MeshConfig. Fields that only matter to what the table of kinds lists are not repeated. */
export const MESH_CONFIG_GAPS: readonly Gap[] = [
  { path: 'discoverySelectors', what: 'hiding namespaces by discoverySelectors (all are seen)' },
  { path: 'defaultTrafficPolicy', what: 'a default traffic policy' },
  { path: 'ingressControllerMode', what: 'reading Ingress objects', applies: isNot('OFF', 'STRICT', 'UNSPECIFIED') },
  { path: 'proxyListenPort', what: 'another capture port', applies: isNot(15001) },
  { path: 'proxyInboundListenPort', what: 'another capture port', applies: isNot(15006) },
  { path: 'proxyHttpPort', what: 'an explicit HTTP proxy port', applies: isNot(0) },
  { path: 'outboundTrafficPolicy.egressProxy', what: 'sending unknown traffic to an egress proxy' },
  { path: 'enableEnvoyAccessLogService', what: 'sending access logs to a service', applies: isNot(false) },
  { path: 'configSources', what: 'another source of configuration' },
  { path: 'ca', what: 'a remote certificate authority' },
  { path: 'caCertificates', what: 'further roots of trust' },
  { path: 'verifyCertificateAtClient', what: 'verifying servers by default', applies: isNot(false) },
  { path: 'meshMTLS', what: 'mutual TLS' },
  { path: 'tlsDefaults', what: 'defaults of TLS' },
  { path: 'defaultProviders.tracing', what: 'tracing' },
  { path: 'defaultProviders.accessLogging', what: 'a default access log provider' },
  { path: 'defaultProviders.metrics[]', what: 'a metrics provider besides "prometheus"', applies: isNot('prometheus') },
  { path: 'inboundClusterStatName', what: 'naming inbound statistics', applies: isNot('') },
  { path: 'outboundClusterStatName', what: 'naming outbound statistics', applies: isNot('') },
  { path: 'serviceSettings', what: 'settings of services (clusterLocal)' },
  { path: 'serviceScopeConfigs', what: 'scopes of services' },
  { path: 'tcpKeepalive', what: 'TCP keep-alive by default (set it in a DestinationRule)' },
  { path: 'hboneListenPort', what: 'HBONE', applies: isNot(15008) },
  { path: 'localityLbSetting.failoverPriority', what: 'failover by labels' },
  ...below('defaultConfig', PROXY_CONFIG),
];
