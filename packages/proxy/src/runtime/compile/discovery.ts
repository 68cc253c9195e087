// How a cluster finds its hosts: by its type, or by the name of a cluster type that stands for the same.

import { type Cluster, Cluster_DiscoveryType as Discovery, dnsCluster, Cluster_LbPolicy as Lb } from '@lateen/xds/messages/proxy';
import type { ClusterDiscovery, EndpointsRuntime } from '../model.ts';
import { compileAny, extension } from './any.ts';
import { compileReference } from './config-source.ts';
import { compileResolvers } from './dns-resolvers.ts';
import { compileEndpoints } from './endpoints.ts';
import type { Report } from './report.ts';
import { durationMsOr } from './values.ts';

type Kind = ClusterDiscovery['kind'];
type Dns = Extract<ClusterDiscovery, { kind: 'strict_dns' | 'logical_dns' }>;
type DnsFields = Pick<Cluster, 'dnsRefreshRate' | 'dnsJitter' | 'respectDnsTtl' | 'typedDnsResolverConfig'> & {
  readonly dnsFailureRefreshRate?: Pick<NonNullable<Cluster['dnsFailureRefreshRate']>, 'baseInterval' | 'maxInterval'> | undefined;
  readonly family: Dns['family'];
};

const KINDS: Partial<Record<number, Kind>> = {
  [Discovery.STATIC]: 'static',
  [Discovery.EDS]: 'eds',
  [Discovery.STRICT_DNS]: 'strict_dns',
  [Discovery.LOGICAL_DNS]: 'logical_dns',
  [Discovery.ORIGINAL_DST]: 'original_dst',
};
const NAMED_KINDS = new Map<string, Kind>([
  ['envoy.cluster.static', 'static'],
  ['envoy.cluster.eds', 'eds'],
  ['envoy.cluster.strict_dns', 'strict_dns'],
  ['envoy.cluster.logical_dns', 'logical_dns'],
  ['envoy.cluster.original_dst', 'original_dst'],
]);
const DNS_CLUSTER = 'envoy.cluster.dns';
// As the cluster's enum counts; the extension's has one more before.
const FAMILIES = ['auto', 'v4_only', 'v6_only', 'v4_preferred', 'all'] as const;
/** Envoy's. */
const DEFAULT_REFRESH_MS = 5000;

export function compileDiscovery(message: Cluster, report: Report): ClusterDiscovery {
  const type = message.clusterDiscoveryType;
  if (type.case !== 'clusterType') return compileKind(KINDS[type.value ?? Discovery.STATIC] ?? 'static', message, report);
  const { name, typedConfig } = type.value;
  const at = report.at('cluster_type');
  const kind = NAMED_KINDS.get(name);
  if (name !== DNS_CLUSTER && kind === undefined) {
    at.refuse(`${JSON.stringify(name)} is not supported`);
    return compileKind('static', message, report);
  }
  const fields =
    typedConfig && compileAny(typedConfig, [extension(dnsCluster.DnsClusterSchema, (config) => config)], at.at('typed_config'));
  const named = fields?.allAddressesInSingleEndpoint ? 'logical_dns' : 'strict_dns';
  const family = FAMILIES[(fields?.dnsLookupFamily ?? 1) - 1] ?? 'auto';
  return compileKind(kind ?? named, message, report, fields && { ...fields, family });
}

function compileKind(kind: Kind, message: Cluster, report: Report, dns?: DnsFields): ClusterDiscovery {
  const isOwn = message.lbPolicy === Lb.CLUSTER_PROVIDED;
  if (isOwn && kind !== 'original_dst') report.at('lb_policy').refuse('CLUSTER_PROVIDED is for ORIGINAL_DST only');
  switch (kind) {
    case 'eds': {
      const eds = message.edsClusterConfig;
      const fields = { report: report.at('eds_cluster_config'), nameField: 'service_name', sourceField: 'eds_config' };
      const { key, resourceName, source } = compileReference(eds?.serviceName || message.name, eds?.edsConfig, fields);
      return { kind, serviceName: key, resourceName, source };
    }
    case 'strict_dns':
    case 'logical_dns':
      return compileDns(kind, message, report, dns);
    case 'original_dst':
      return compileOriginalDst(message, report);
    case 'static':
      return { kind, endpoints: endpointsOf(message, report) };
  }
}

const endpointsOf = (message: Cluster, report: Report, options?: { names: boolean }): EndpointsRuntime =>
  message.loadAssignment
    ? compileEndpoints(message.loadAssignment, report.at('load_assignment'), options)
    : { clusterName: message.name, localities: [], overprovisioningFactorPercent: 140 };

function compileDns(kind: Dns['kind'], message: Cluster, report: Report, fields?: DnsFields): Dns {
  const endpoints = endpointsOf(message, report, { names: true });
  const hosts = endpoints.localities.reduce((sum, locality) => sum + locality.endpoints.length, 0);
  if (kind === 'logical_dns' && (hosts !== 1 || endpoints.localities.length !== 1)) {
    report.at('load_assignment').refuse('LOGICAL_DNS needs exactly one locality with one endpoint');
  }
  const family = FAMILIES[message.dnsLookupFamily] ?? 'auto';
  const { dnsRefreshRate, dnsFailureRefreshRate: failure, dnsJitter, respectDnsTtl, ...dns } = fields ?? { ...message, family };
  const refreshMs = durationMsOr(dnsRefreshRate, DEFAULT_REFRESH_MS);
  const baseMs = durationMsOr(failure?.baseInterval, refreshMs);
  const maxMs = durationMsOr(failure?.maxInterval, failure ? baseMs * 10 : baseMs);
  if (maxMs < baseMs) report.at('dns_failure_refresh_rate').refuse('max_interval must not be below base_interval');
  return {
    kind,
    endpoints,
    refreshMs,
    failureRefresh: { baseMs, maxMs: Math.max(baseMs, maxMs) },
    jitterMs: durationMsOr(dnsJitter, 0),
    respectTtl: respectDnsTtl,
    family: dns.family,
    resolvers: compileResolvers(
      { ...message, typedDnsResolverConfig: dns.typedDnsResolverConfig ?? message.typedDnsResolverConfig },
      report,
    ),
  };
}

function compileOriginalDst(message: Cluster, report: Report): ClusterDiscovery {
  if (!message.loadBalancingPolicy && message.lbPolicy !== Lb.CLUSTER_PROVIDED) {
    report.at('lb_policy').refuse('must be CLUSTER_PROVIDED with ORIGINAL_DST');
  }
  if (message.loadAssignment) report.at('load_assignment').refuse('is not for ORIGINAL_DST');
  const config = message.lbConfig.case === 'originalDstLbConfig' ? message.lbConfig.value : undefined;
  const at = report.at('original_dst_lb_config');
  if (config?.metadataKey) at.at('metadata_key').refuse('is not supported');
  if (config?.httpHeaderName && !config.useHttpHeader) at.at('http_header_name').refuse('needs use_http_header');
  return {
    kind: 'original_dst',
    headerName: config?.useHttpHeader ? (config.httpHeaderName || 'x-envoy-original-dst-host').toLowerCase() : undefined,
    portOverride: config?.upstreamPortOverride,
    cleanupIntervalMs: durationMsOr(message.cleanupInterval, 5000),
  };
}
