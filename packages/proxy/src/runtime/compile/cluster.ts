import {
  type CircuitBreakers_Thresholds,
  CircuitBreakers_ThresholdsSchema,
  type Cluster,
  Cluster_CommonLbConfigSchema,
  Cluster_PreconnectPolicySchema,
  ClusterSchema,
  Http1ProtocolOptionsSchema,
  HttpProtocolOptionsSchema,
  Cluster_ClusterProtocolSelection as ProtocolSelection,
  RoutingPriority,
  UpstreamConnectionOptionsSchema,
  upstreamHttp,
} from '@lateen/xds/messages/proxy';
import type { CircuitBreaker, ClusterRuntime } from '../model.ts';
import { compileAny, extension } from './any.ts';
import { compileBindAddresses } from './bind-config.ts';
import { compileDiscovery } from './discovery.ts';
import { compileHttp2, compileKeyFormat } from './hcm.ts';
import { compileHealthCheck } from './health-check.ts';
import { compileBalancing } from './lb-policy.ts';
import { compileOutlier } from './outlier.ts';
import { honours, type Report } from './report.ts';
import { compileUpstreamTransport } from './transport-socket.ts';
import { durationMsOr, metadataOf } from './values.ts';

// Accepted without effect: they tune statistics that this proxy does not have, and how names are asked for.
const WITHOUT_EFFECT = ['useTcpForDnsLookups', 'trackTimeoutBudgets', 'trackClusterStats'];
const check = honours(ClusterSchema, [
  'transportSocketMatches',
  'name',
  'altStatName',
  'type',
  'clusterType',
  'edsClusterConfig',
  'connectTimeout',
  'perConnectionBufferLimitBytes',
  'lbPolicy',
  'loadAssignment',
  'healthChecks',
  'maxRequestsPerConnection',
  'circuitBreakers',
  'commonHttpProtocolOptions',
  'upstreamHttpProtocolOptions',
  'httpProtocolOptions',
  'http2ProtocolOptions',
  'protocolSelection',
  'typedExtensionProtocolOptions',
  'dnsRefreshRate',
  'dnsJitter',
  'dnsResolvers',
  'dnsResolutionConfig',
  'typedDnsResolverConfig',
  'dnsFailureRefreshRate',
  'respectDnsTtl',
  'dnsLookupFamily',
  'outlierDetection',
  'cleanupInterval',
  'waitForWarmOnInit',
  'upstreamBindConfig',
  'lbSubsetConfig',
  'ringHashLbConfig',
  'maglevLbConfig',
  'originalDstLbConfig',
  'leastRequestLbConfig',
  'roundRobinLbConfig',
  'commonLbConfig',
  'transportSocket',
  'metadata',
  'upstreamConnectionOptions',
  'closeConnectionsOnHostHealthFailure',
  'ignoreHealthOnHostRemoval',
  'loadBalancingPolicy',
  'preconnectPolicy',
  'connectionPoolPerDownstreamConnection',
  ...WITHOUT_EFFECT,
]);

// Updates are applied as they come, so that there is nothing to merge in a window.
const checkLb = honours(Cluster_CommonLbConfigSchema, [
  'healthyPanicThreshold',
  'zoneAwareLbConfig',
  'localityWeightedLbConfig',
  'updateMergeWindow',
  'ignoreNewHostsUntilFirstHc',
  'closeConnectionsOnHostSetChange',
  'consistentHashingLbConfig',
]);
const checkThresholds = honours(CircuitBreakers_ThresholdsSchema, [
  'priority',
  'maxConnections',
  'maxPendingRequests',
  'maxRequests',
  'maxRetries',
  'retryBudget',
  'trackRemaining',
  // Pools are made per host and version of HTTP only: their number has no way to grow.
  'maxConnectionPools',
]);
const checkPreconnect = honours(Cluster_PreconnectPolicySchema, ['perUpstreamPreconnectRatio']);
const checkPerHost = honours(CircuitBreakers_ThresholdsSchema, ['priority', 'maxConnections']);
const checkHttp1 = honours(Http1ProtocolOptionsSchema, [
  'enableTrailers',
  // Of requests that are received.
  'allowAbsoluteUrl',
  'allowChunkedLength',
  'allowCustomMethods',
  'sendFullyQualifiedUrl',
  'headerKeyFormat',
  'useBalsaParser',
]);
const checkCommon = honours(HttpProtocolOptionsSchema, [
  'idleTimeout',
  'maxConnectionDuration',
  'maxRequestsPerConnection',
  'maxStreamDuration',
  'maxHeadersCount',
  'maxResponseHeadersKb',
  'maxConnectionDurationJitter',
  // Of requests that are received.
  'headersWithUnderscoresAction',
]);

// Which of several interfaces or families is tried first is for hosts with several addresses.
const checkConnection = honours(UpstreamConnectionOptionsSchema, [
  'tcpKeepalive',
  'setLocalInterfaceNameOnUpstreamConnections',
  'happyEyeballsConfig',
]);

export function compileCluster(message: Cluster, report: Report): ClusterRuntime {
  check(message, report);
  const http = compileUpstreamHttp(message, report);
  const common = http.common ?? message.commonHttpProtocolOptions;
  if (common) checkCommon(common, report.at('common_http_protocol_options'));
  if (message.commonLbConfig) checkLb(message.commonLbConfig, report.at('common_lb_config'));
  const at = report.at('circuit_breakers');
  if (message.healthChecks.length > 1) report.at('health_checks').refuse('only one is possible');
  if (message.preconnectPolicy) checkPreconnect(message.preconnectPolicy, report.at('preconnect_policy'));
  const { thresholds = [], perHostThresholds = [] } = message.circuitBreakers ?? {};
  for (const [i, each] of thresholds.entries()) checkThresholds(each, at.at('thresholds', i));
  for (const [i, each] of perHostThresholds.entries()) checkPerHost(each, at.at('per_host_thresholds', i));
  if (common?.maxRequestsPerConnection !== undefined && message.maxRequestsPerConnection !== undefined) {
    report.at('max_requests_per_connection').refuse('is set here and in common_http_protocol_options');
  }
  if (message.healthChecks[0]?.healthChecker.case === 'grpcHealthCheck' && http.protocol.kind === 'http1') {
    report.at('health_checks', 0).at('grpc_health_check').refuse('needs HTTP/2');
  }
  const transports = [message.transportSocket, ...message.transportSocketMatches.map((each) => each.transportSocket)];
  if (http.protocol.kind === 'auto' && transports.every((socket) => !socket)) {
    report.at('typed_extension_protocol_options').refuse('auto_config asks by ALPN and needs TLS');
  }
  if (message.upstreamConnectionOptions) checkConnection(message.upstreamConnectionOptions, report.at('upstream_connection_options'));
  const keepalive = message.upstreamConnectionOptions?.tcpKeepalive;
  return {
    name: message.name,
    statName: message.altStatName || message.name,
    observabilityName: message.altStatName || message.name,
    discovery: compileDiscovery(message, report),
    waitForWarmOnInit: message.waitForWarmOnInit ?? true,
    ...compileBalancing(message, report),
    healthyPanicThresholdPercent: message.commonLbConfig?.healthyPanicThreshold?.value ?? 50,
    connectTimeoutMs: durationMsOr(message.connectTimeout, 5000),
    perConnectionBufferLimitBytes: message.perConnectionBufferLimitBytes ?? 1024 * 1024,
    circuitBreakers: {
      default: compileBreaker(message, RoutingPriority.DEFAULT),
      high: compileBreaker(message, RoutingPriority.HIGH),
    },
    maxConnectionsPerHost:
      message.circuitBreakers?.perHostThresholds.find((each) => each.priority === RoutingPriority.DEFAULT)?.maxConnections ??
      Number.POSITIVE_INFINITY,
    healthCheck: message.healthChecks[0] && compileHealthCheck(message.healthChecks[0], report.at('health_checks', 0)),
    ignoreNewHostsUntilFirstCheck: message.commonLbConfig?.ignoreNewHostsUntilFirstHc ?? false,
    outlier: message.outlierDetection && compileOutlier(message.outlierDetection, report.at('outlier_detection')),
    protocol: http.protocol,
    autoSni: http.autoSni,
    http1: http.http1,
    idleTimeoutMs: durationMsOr(common?.idleTimeout, 3_600_000),
    maxConnectionDurationMs: durationMsOr(common?.maxConnectionDuration, 0),
    maxConnectionDurationJitterPercent: common?.maxConnectionDurationJitter?.value ?? 0,
    preconnectRatio: message.preconnectPolicy?.perUpstreamPreconnectRatio ?? 1,
    poolPerDownstream: message.connectionPoolPerDownstreamConnection,
    maxStreamDurationMs: durationMsOr(common?.maxStreamDuration, 0),
    maxResponseHeadersBytes: common?.maxResponseHeadersKb === undefined ? undefined : common.maxResponseHeadersKb * 1024,
    maxHeadersCount: common?.maxHeadersCount || 100,
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? message.maxRequestsPerConnection ?? 0,
    tcpKeepalive: keepalive && {
      probes: keepalive.keepaliveProbes,
      timeSeconds: keepalive.keepaliveTime,
      intervalSeconds: keepalive.keepaliveInterval,
    },
    bindAddresses: compileBindAddresses(message.upstreamBindConfig, report.at('upstream_bind_config')),
    transportMatches: message.transportSocketMatches.map((each, i) => ({
      name: each.name,
      criteria: each.match ?? {},
      transport: compileUpstreamTransport(each.transportSocket, report.at('transport_socket_matches', i).at('transport_socket')),
    })),
    transport: compileUpstreamTransport(message.transportSocket, report.at('transport_socket')),
    closeConnectionsOnHostHealthFailure: message.closeConnectionsOnHostHealthFailure,
    closeConnectionsOnHostSetChange: message.commonLbConfig?.closeConnectionsOnHostSetChange ?? false,
    ignoreHealthOnHostRemoval: message.ignoreHealthOnHostRemoval,
    metadata: metadataOf(message.metadata),
  };
}

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
type UpstreamHttp = Pick<ClusterRuntime, 'protocol' | 'http1' | 'autoSni'> & { common: Cluster['commonHttpProtocolOptions'] };

function compileUpstreamHttp(message: Cluster, report: Report): UpstreamHttp {
  let found: UpstreamHttp | undefined;
  for (const [name, config] of Object.entries(message.typedExtensionProtocolOptions)) {
    const at = report.at('typed_extension_protocol_options', name);
    if (name !== HTTP_OPTIONS) at.refuse('is not supported');
    else found = compileAny(config, [extension(upstreamHttp.HttpProtocolOptionsSchema, compileHttpOptions)], at);
  }
  if (found) return found;
  const http1 = compileHttp1(message.httpProtocolOptions, report.at('http_protocol_options'));
  const http2 = message.http2ProtocolOptions && compileHttp2(message.http2ProtocolOptions, report.at('http2_protocol_options'));
  const autoSni = compileAutoSni(message.upstreamHttpProtocolOptions, report.at('upstream_http_protocol_options'));
  if (message.protocolSelection === ProtocolSelection.USE_DOWNSTREAM_PROTOCOL) {
    return { protocol: { kind: 'downstream', http2: http2 ?? compileHttp2(undefined) }, http1, common: undefined, autoSni };
  }
  return { protocol: http2 ? { kind: 'http2', http2 } : { kind: 'http1' }, http1, common: undefined, autoSni };
}

function compileHttp1(message: Cluster['httpProtocolOptions'], report: Report): ClusterRuntime['http1'] {
  if (message) checkHttp1(message, report);
  return {
    enableTrailers: message?.enableTrailers ?? false,
    allowChunkedLength: message?.allowChunkedLength ?? false,
    sendFullyQualifiedUrl: message?.sendFullyQualifiedUrl ?? false,
    ...compileKeyFormat(message, report),
  };
}

function compileAutoSni(message: Cluster['upstreamHttpProtocolOptions'], report: Report): ClusterRuntime['autoSni'] {
  if (!message) return undefined;
  if (message.autoSanValidation && !message.autoSni) report.at('auto_san_validation').refuse('needs auto_sni');
  if (message.overrideAutoSniHeader !== '' && !message.autoSni) report.at('override_auto_sni_header').refuse('needs auto_sni');
  if (!message.autoSni) return undefined;
  const header = message.overrideAutoSniHeader.toLowerCase();
  return { header: header === '' || header === ':authority' ? 'host' : header, validatesSan: message.autoSanValidation };
}

const checkHttp = honours(upstreamHttp.HttpProtocolOptionsSchema, [
  'commonHttpProtocolOptions',
  'upstreamHttpProtocolOptions',
  'explicitHttpConfig',
  'useDownstreamProtocolConfig',
  'autoConfig',
]);

function compileHttpOptions(message: upstreamHttp.HttpProtocolOptions, report: Report): UpstreamHttp {
  checkHttp(message, report);
  const common = message.commonHttpProtocolOptions;
  const autoSni = compileAutoSni(message.upstreamHttpProtocolOptions, report.at('upstream_http_protocol_options'));
  return { ...compileProtocol(message.upstreamProtocolOptions, report), common, autoSni };
}

type Protocols = Pick<ClusterRuntime, 'protocol' | 'http1'>;

function compileProtocol(options: upstreamHttp.HttpProtocolOptions['upstreamProtocolOptions'], report: Report): Protocols {
  const http2Of = (field: string, value: { http2ProtocolOptions?: Cluster['http2ProtocolOptions'] }) =>
    compileHttp2(value.http2ProtocolOptions, report.at(field).at('http2_protocol_options'));
  const http1Of = (field: string, value: { httpProtocolOptions?: Cluster['httpProtocolOptions'] }) =>
    compileHttp1(value.httpProtocolOptions, report.at(field).at('http_protocol_options'));
  const plain: Protocols = { protocol: { kind: 'http1' }, http1: compileHttp1(undefined, report) };
  switch (options.case) {
    case 'useDownstreamProtocolConfig':
      return {
        protocol: { kind: 'downstream', http2: http2Of('use_downstream_protocol_config', options.value) },
        http1: http1Of('use_downstream_protocol_config', options.value),
      };
    case 'autoConfig':
      return {
        protocol: { kind: 'auto', http2: http2Of('auto_config', options.value) },
        http1: http1Of('auto_config', options.value),
      };
    case 'explicitHttpConfig': {
      const explicit = options.value.protocolConfig;
      if (explicit.case === 'http2ProtocolOptions') {
        const http2 = http2Of('explicit_http_config', { http2ProtocolOptions: explicit.value });
        return { ...plain, protocol: { kind: 'http2', http2 } };
      }
      if (explicit.case === 'http3ProtocolOptions') report.at('explicit_http_config').refuse('HTTP/3 is not supported');
      if (explicit.case !== 'httpProtocolOptions') return plain;
      return { ...plain, http1: http1Of('explicit_http_config', { httpProtocolOptions: explicit.value }) };
    }
    case undefined:
      return plain;
  }
}

function compileBreaker(message: Cluster, priority: RoutingPriority): CircuitBreaker {
  const threshold: Partial<CircuitBreakers_Thresholds> =
    message.circuitBreakers?.thresholds.find((each) => each.priority === priority) ?? {};
  const budget = threshold.retryBudget;
  return {
    maxConnections: threshold.maxConnections ?? 1024,
    maxPendingRequests: threshold.maxPendingRequests ?? 1024,
    maxRequests: threshold.maxRequests ?? 1024,
    maxRetries: threshold.maxRetries ?? 3,
    retryBudget: budget && { percent: budget.budgetPercent?.value ?? 20, minConcurrency: budget.minRetryConcurrency ?? 3 },
    trackRemaining: threshold.trackRemaining ?? false,
  };
}
