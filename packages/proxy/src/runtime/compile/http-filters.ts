// The HTTP filters that are honoured, one row each. What is not here is refused.

import { compileCel } from '@lateen/base/cel';
import {
  bufferHttpFilter,
  corsHttpFilter,
  faultHttpFilter,
  grpcStatsHttpFilter,
  grpcWebHttpFilter,
  type HttpFilter,
  headerMutationHttpFilter,
  headerToMetadataHttpFilter,
  healthCheckHttpFilter,
  istioAlpn,
  istioPeerMetadata,
  istioStats,
  localRatelimitHttpFilter,
  routerHttpFilter,
  setFilterStateHttpFilter,
  setMetadataHttpFilter,
} from '@lateen/xds/messages/proxy';
import type { CelDimension, HttpFilterConfig, HttpFilterRuntime, IstioStatsRuntime, PeerDiscovery, PeerMetadataRuntime } from '../model.ts';
import { compileAny, extension } from './any.ts';
import { compileFault } from './fault-cors.ts';
import { compileMutations } from './header-mutation.ts';
import { compileLocalRateLimit } from './local-rate-limit.ts';
import { compileHeaderMatcher } from './match.ts';
import { compileBuffer, compileHeaderToMetadata, compileSetFilterState, compileSetMetadata } from './metadata-filters.ts';
import { honours, type Report } from './report.ts';
import { durationMsOr } from './values.ts';

const checkRouter = honours(routerHttpFilter.RouterSchema, [
  'dynamicStats',
  'startChildSpan',
  'suppressEnvoyHeaders',
  'respectExpectedRqTimeout',
  'strictCheckHeaders',
  'suppressGrpcRequestFailureCodeStats',
]);
const checkGrpcStats = honours(grpcStatsHttpFilter.FilterConfigSchema, [
  'emitFilterState',
  'individualMethodStatsAllowlist',
  'statsForAllMethods',
  'replaceDotsInGrpcServiceName',
]);
const checkHealth = honours(healthCheckHttpFilter.HealthCheckSchema, [
  'passThroughMode',
  'cacheTime',
  'clusterMinHealthyPercentages',
  'headers',
]);
const checkMutation = honours(headerMutationHttpFilter.HeaderMutationSchema, ['mutations', 'mostSpecificHeaderMutationsWins']);

const PROTOCOLS = ['http/1.0', 'http/1.1', 'h2'];

const FILTERS = [
  extension(routerHttpFilter.RouterSchema, (message, report): HttpFilterConfig => {
    checkRouter(message, report);
    return {
      kind: 'router',
      suppressEnvoyHeaders: message.suppressEnvoyHeaders,
      startChildSpan: message.startChildSpan,
      respectsExpectedTimeout: message.respectExpectedRqTimeout,
      strictHeaders: message.strictCheckHeaders,
    };
  }),
  extension(
    faultHttpFilter.HTTPFaultSchema,
    (message, report): HttpFilterConfig => ({ kind: 'fault', fault: compileFault(message, report) }),
  ),
  extension(corsHttpFilter.CorsSchema, (): HttpFilterConfig => ({ kind: 'cors' })),
  extension(
    istioStats.PluginConfigSchema,
    (message, report): HttpFilterConfig => ({ kind: 'istio_stats', stats: compileIstioStats(message, report) }),
  ),
  extension(grpcStatsHttpFilter.FilterConfigSchema, (message, report): HttpFilterConfig => {
    checkGrpcStats(message, report);
    const which = message.perMethodStatSpecifier;
    // As Envoy: only an allow list or "all" counts by method.
    const listed =
      which.case === 'individualMethodStatsAllowlist'
        ? which.value.services.flatMap((service) => service.methodNames.map((method) => `/${service.name}/${method}`))
        : [];
    return {
      kind: 'grpc_stats',
      emitFilterState: message.emitFilterState,
      methods: which.case === 'statsForAllMethods' && which.value ? 'all' : new Set(listed),
      replaceDots: message.replaceDotsInGrpcServiceName,
    };
  }),
  extension(grpcWebHttpFilter.GrpcWebSchema, (): HttpFilterConfig => ({ kind: 'grpc_web' })),
  extension(
    istioPeerMetadata.ConfigSchema,
    (message, report): HttpFilterConfig => ({ kind: 'peer_metadata', peer: compilePeerMetadata(message, report) }),
  ),
  extension(
    istioAlpn.FilterConfigSchema,
    (message): HttpFilterConfig => ({
      kind: 'alpn',
      overrides: new Map(message.alpnOverride.map((each) => [PROTOCOLS[each.upstreamProtocol] ?? '', each.alpnOverride])),
    }),
  ),
  extension(headerMutationHttpFilter.HeaderMutationSchema, (message, report): HttpFilterConfig => {
    checkMutation(message, report);
    return {
      kind: 'header_mutation',
      mutations: compileMutations(message.mutations, report.at('mutations')),
      mostSpecificWins: message.mostSpecificHeaderMutationsWins,
    };
  }),
  extension(healthCheckHttpFilter.HealthCheckSchema, (message, report): HttpFilterConfig => {
    checkHealth(message, report);
    if (message.cacheTime && !message.passThroughMode) report.at('cache_time').refuse('is only of use with pass_through_mode');
    const headers = message.headers.map((matcher, i) => compileHeaderMatcher(matcher, report.at('headers', i)));
    return {
      kind: 'health_check',
      passThrough: message.passThroughMode ?? false,
      cacheMs: durationMsOr(message.cacheTime, 0),
      clusterMinHealthyPercent: new Map(
        Object.entries(message.clusterMinHealthyPercentages).map(([name, percent]) => [name, percent.value]),
      ),
      matches: (view) => headers.every((matcher) => matcher.test(view)),
    };
  }),
  extension(
    localRatelimitHttpFilter.LocalRateLimitSchema,
    (message, report): HttpFilterConfig => ({ kind: 'local_ratelimit', limit: compileLocalRateLimit(message, report) }),
  ),
  extension(bufferHttpFilter.BufferSchema, (message): HttpFilterConfig => ({ kind: 'buffer', ...compileBuffer(message) })),
  extension(
    setFilterStateHttpFilter.ConfigSchema,
    (message, report): HttpFilterConfig => ({ kind: 'set_filter_state', ...compileSetFilterState(message, report) }),
  ),
  extension(
    setMetadataHttpFilter.ConfigSchema,
    (message, report): HttpFilterConfig => ({ kind: 'set_metadata', writes: compileSetMetadata(message, report) }),
  ),
  extension(
    headerToMetadataHttpFilter.ConfigSchema,
    (message, report): HttpFilterConfig => ({ kind: 'header_to_metadata', ...compileHeaderToMetadata(message, report) }),
  ),
];

export function compileHttpFilters(filters: readonly HttpFilter[], report: Report): HttpFilterRuntime[] {
  const compiled = filters.flatMap((filter, i): HttpFilterRuntime[] => {
    const at = report.at('http_filters', i);
    if (filter.configType.case === 'configDiscovery') {
      at.at('config_discovery').refuse('is not supported');
      return [];
    }
    // An optional filter of an unknown type is left out by definition.
    if (filter.isOptional && !knows(filter.configType.value?.typeUrl)) return [];
    const config = compileAny(filter.configType.value, FILTERS, at.at('typed_config'));
    return config ? [{ name: filter.name, disabled: filter.disabled, ...config }] : [];
  });
  const router = compiled.findIndex((filter) => filter.kind === 'router');
  if (router < 0 || router !== compiled.length - 1) report.at('http_filters').refuse('the router must be there once, as the last filter');
  return compiled;
}

const knows = (typeUrl = ''): boolean => FILTERS.some((known) => typeUrl.endsWith(`/${known.schema.typeName}`));

const checkStats = honours(istioStats.PluginConfigSchema, [
  'disableHostHeaderFallback',
  'tcpReportingDuration',
  'metrics',
  'reporter',
  'rotationInterval',
  'gracefulDeletionInterval',
]);
const checkMetric = honours(istioStats.MetricConfigSchema, ['dimensions', 'name', 'tagsToRemove', 'drop']);

export function compileIstioStats(message: istioStats.PluginConfig, report: Report): IstioStatsRuntime {
  checkStats(message, report);
  return {
    disableHostHeaderFallback: message.disableHostHeaderFallback,
    reporter: message.reporter === istioStats.PluginConfig_Reporter.SERVER_GATEWAY ? 'server_gateway' : 'default',
    tcpReportingIntervalMs: durationMsOr(message.tcpReportingDuration, 5000),
    rotationIntervalMs: durationMsOr(message.rotationInterval, 0),
    overrides: message.metrics.map((metric, i) => {
      const at = report.at('metrics', i);
      checkMetric(metric, at);
      return {
        metric: metric.name,
        drop: metric.drop,
        dimensions: new Map(Object.entries(metric.dimensions).map(([key, value]) => [key, dimensionOf(value, at.at('dimensions', key))])),
        tagsToRemove: metric.tagsToRemove,
      };
    }),
  };
}

// Dimensions are CEL expressions; most are literals.
function dimensionOf(source: string, report: Report): string | CelDimension {
  const literal = /^"([^"\\]*)"$|^'([^'\\]*)'$/.exec(source.trim());
  if (literal) return literal[1] ?? literal[2] ?? '';
  const program = report.take(compileCel(source));
  return program ? { source, program } : '';
}

const checkPeer = honours(istioPeerMetadata.ConfigSchema, [
  'downstreamDiscovery',
  'upstreamDiscovery',
  'downstreamPropagation',
  'upstreamPropagation',
  'sharedWithUpstream',
]);

const DISCOVERY: Record<string, PeerDiscovery> = {
  baggage: 'baggage',
  workloadDiscovery: 'workload_discovery',
  istioHeaders: 'istio_headers',
};

function compilePeerMetadata(message: istioPeerMetadata.Config, report: Report): PeerMetadataRuntime {
  checkPeer(message, report);
  const discovery = (methods: readonly istioPeerMetadata.Config_DiscoveryMethod[]) =>
    methods.flatMap((method) => DISCOVERY[method.methodSpecifier.case ?? ''] ?? []);
  const headersOf = (methods: readonly istioPeerMetadata.Config_PropagationMethod[], field: string) => {
    const found = methods.flatMap((method, i) => {
      if (method.methodSpecifier.case === 'istioHeaders') return [method.methodSpecifier.value];
      report.at(field, i).refuse(`${method.methodSpecifier.case ?? 'an empty method'} is not supported`);
      return [];
    });
    return found[0];
  };
  const upstream = headersOf(message.upstreamPropagation, 'upstream_propagation');
  return {
    downstreamDiscovery: discovery(message.downstreamDiscovery),
    upstreamDiscovery: discovery(message.upstreamDiscovery),
    propagateUpstream: upstream !== undefined,
    propagateDownstream: headersOf(message.downstreamPropagation, 'downstream_propagation') !== undefined,
    skipExternalClusters: upstream?.skipExternalClusters ?? false,
  };
}
