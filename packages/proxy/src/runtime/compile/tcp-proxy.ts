import { type TcpProxy, type TcpProxy_TunnelingConfig, TcpProxy_TunnelingConfigSchema, TcpProxySchema } from '@lateen/xds/messages/proxy';
import { parseFormat } from '../format.ts';
import type { TcpClusterRuntime, TcpProxyRuntime, TcpTunnelRuntime } from '../model.ts';
import { compileAccessLogs } from './access-log.ts';
import { compileHeaderOptions } from './header-mutation.ts';
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
  'accessLogFlushInterval',
  'flushAccessLogOnConnected',
  'maxDownstreamConnectionDuration',
  'maxDownstreamConnectionDurationJitterPercentage',
  'backoffOptions',
  'checkDrainClose',
  'tunnelingConfig',
]);
const checkTunnel = honours(TcpProxy_TunnelingConfigSchema, [
  'hostname',
  'usePost',
  'headersToAdd',
  'propagateResponseHeaders',
  'postPath',
  'propagateResponseTrailers',
]);

export function compileTcpProxy(message: TcpProxy, report: Report): TcpProxyRuntime {
  check(message, report);
  const clusters = clustersOf(message, report);
  const total = clusters.reduce((sum, cluster) => sum + cluster.weight, 0);
  if (total === 0) report.refuse('a cluster is required, with weights whose sum is positive');
  const options = message.accessLogOptions;
  return {
    statPrefix: message.statPrefix,
    clusters,
    pickCluster(random) {
      if (clusters.length === 1) return clusters[0] ?? NO_CLUSTER;
      let rest = random() * total;
      const picked = clusters.find(({ weight }) => {
        rest -= weight;
        return weight > 0 && rest < 0;
      });
      return picked ?? clusters.findLast(({ weight }) => weight > 0) ?? NO_CLUSTER;
    },
    idleTimeoutMs: durationMsOr(message.idleTimeout, 3_600_000),
    maxConnectAttempts: message.maxConnectAttempts ?? 1,
    backoff: compileBackoff(message),
    maxDownstreamConnectionDurationMs: durationMsOr(message.maxDownstreamConnectionDuration, 0),
    maxDurationJitter: (message.maxDownstreamConnectionDurationJitterPercentage?.value ?? 0) / 100,
    accessLogs: compileAccessLogs(message.accessLog, report),
    accessLogFlushIntervalMs: durationMsOr(options?.accessLogFlushInterval ?? message.accessLogFlushInterval, 0),
    endsWhenDraining: message.checkDrainClose ?? false,
    logsOnStart: options?.flushAccessLogOnStart ?? false,
    logsOnConnected: options?.flushAccessLogOnConnected ?? message.flushAccessLogOnConnected,
    tunnel: message.tunnelingConfig && compileTunnel(message.tunnelingConfig, report.at('tunneling_config')),
    hashPolicy: compileHashPolicy(message, report),
  };
}

function compileTunnel(config: TcpProxy_TunnelingConfig, report: Report): TcpTunnelRuntime | undefined {
  checkTunnel(config, report);
  if (config.hostname === '') report.at('hostname').refuse('must not be empty');
  if (config.postPath !== '' && !config.usePost) report.at('post_path').refuse('needs use_post');
  if (config.postPath !== '' && !config.postPath.startsWith('/')) report.at('post_path').refuse('must begin with a slash');
  const hostname = report.at('hostname').take(parseFormat(config.hostname));
  return (
    hostname && {
      method: config.usePost ? 'POST' : 'CONNECT',
      hostname,
      path: config.postPath || '/',
      requestHeaders: compileHeaderOptions(config.headersToAdd, report, 'headers_to_add'),
      propagatesHeaders: config.propagateResponseHeaders,
      propagatesTrailers: config.propagateResponseTrailers,
    }
  );
}

const NO_CLUSTER: TcpClusterRuntime = { name: '', weight: 0, metadataMatch: undefined };

function clustersOf(message: TcpProxy, report: Report): TcpClusterRuntime[] {
  const specifier = message.clusterSpecifier;
  const metadataMatch = lbMetadataOf(message.metadataMatch);
  if (specifier.case === 'cluster') return specifier.value === '' ? [] : [{ name: specifier.value, weight: 1, metadataMatch }];
  if (specifier.case !== 'weightedClusters') return [];
  return specifier.value.clusters.map((each, i) => {
    const own = lbMetadataOf(each.metadataMatch);
    if (each.name === '') report.at('weighted_clusters').at('clusters', i).at('name').refuse('must not be empty');
    return { name: each.name, weight: each.weight, metadataMatch: own ? { ...metadataMatch, ...own } : metadataMatch };
  });
}

function compileBackoff({ backoffOptions }: TcpProxy): TcpProxyRuntime['backoff'] {
  if (!backoffOptions) return undefined;
  const baseMs = durationMsOr(backoffOptions.baseInterval, 0);
  return { baseMs, maxMs: durationMsOr(backoffOptions.maxInterval, baseMs * 10) };
}

function compileHashPolicy({ hashPolicy }: TcpProxy, report: Report): TcpProxyRuntime['hashPolicy'] {
  if (hashPolicy.length > 1) report.at('hash_policy').refuse('at most one is allowed');
  const policy = hashPolicy[0]?.policySpecifier;
  if (policy?.case === 'filterState') return { kind: 'filter_state', key: policy.value.key };
  return policy?.case === 'sourceIp' ? { kind: 'source_ip' } : undefined;
}
