import { type TcpProxy, TcpProxySchema } from '@lateen/xds/messages/proxy';
import type { TcpProxyRuntime } from '../model.ts';
import { compileAccessLogs } from './access-log.ts';
import { honours, type Report } from './report.ts';
import { durationMsOr, lbMetadataOf } from './values.ts';

const check = honours(TcpProxySchema, [
  'statPrefix',
  'cluster',
  'weightedClusters',
  'metadataMatch',
  'idleTimeout',
  'accessLog',
  'accessLogOptions',
  'maxConnectAttempts',
  'hashPolicy',
  'maxDownstreamConnectionDuration',
]);

export function compileTcpProxy(message: TcpProxy, report: Report): TcpProxyRuntime {
  check(message, report);
  const clusters = clustersOf(message, report);
  const total = clusters.reduce((sum, cluster) => sum + cluster.weight, 0);
  if (total === 0) report.refuse('a cluster is required, with weights whose sum is positive');
  message.hashPolicy.forEach((policy, i) => {
    if (policy.policySpecifier.case !== 'sourceIp') report.at('hash_policy', i).refuse('only source_ip is supported');
  });
  return {
    statPrefix: message.statPrefix,
    clusters,
    pickCluster(random) {
      if (clusters.length === 1) return (clusters[0] as { name: string }).name;
      let rest = random() * total;
      const picked = clusters.find(({ weight }) => {
        rest -= weight;
        return weight > 0 && rest < 0;
      });
      return (picked ?? clusters.findLast(({ weight }) => weight > 0) ?? { name: '' }).name;
    },
    idleTimeoutMs: durationMsOr(message.idleTimeout, 3_600_000),
    maxConnectAttempts: message.maxConnectAttempts ?? 1,
    maxDownstreamConnectionDurationMs: durationMsOr(message.maxDownstreamConnectionDuration, 0),
    accessLogs: compileAccessLogs(message.accessLog, report),
    hashSourceIp: message.hashPolicy.length > 0,
    metadataMatch: lbMetadataOf(message.metadataMatch),
  };
}

function clustersOf(message: TcpProxy, report: Report): { name: string; weight: number }[] {
  const specifier = message.clusterSpecifier;
  if (specifier.case === 'cluster') return specifier.value === '' ? [] : [{ name: specifier.value, weight: 1 }];
  if (specifier.case !== 'weightedClusters') return [];
  return specifier.value.clusters.map((each, i) => {
    if (each.metadataMatch) report.at('weighted_clusters').at('clusters', i).at('metadata_match').refuse('is not supported');
    return { name: each.name, weight: each.weight };
  });
}
