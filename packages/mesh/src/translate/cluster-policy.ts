// Traffic policy -> the fields of a Cluster: circuit breakers, connection pool, load balancing, outlier detection.

import {
  type Cluster_CommonLbConfig_LocalityWeightedLbConfig,
  Cluster_LbPolicy,
  type ClusterSchema,
  type OutlierDetectionSchema,
  ProxyProtocolConfig_Version,
  proxyProtocolTransportSocket,
  rawBufferTransportSocket,
} from '@lateen/xds/messages/config';
import type { ConnectionPool, LoadBalancerSpec, OutlierDetectionSpec, PortTrafficPolicy, Protocol } from '../model/index.ts';
import { durationOf, extension, goDuration, type InitOf } from './pack.ts';
import { httpProtocolOptions, outboundHttp } from './protocol-options.ts';
import { clusterHttp1Options } from './proxy-headers.ts';
import type { EffectivePolicy } from './traffic-policy.ts';
import type { View } from './view.ts';

type ClusterInit = InitOf<typeof ClusterSchema>;

const UNLIMITED = 4_294_967_295;

/** The fields every cluster with endpoints shares. */
export function clusterPolicy(view: View, policy: EffectivePolicy, protocol: Protocol): ClusterInit {
  const { mesh } = view.snapshot;
  const pool = policy.connectionPool;
  const keepalive = pool?.tcp?.tcpKeepalive;
  const keepaliveTime = goDuration(keepalive?.time);
  const keepaliveInterval = goDuration(keepalive?.interval);
  return {
    connectTimeout: goDuration(pool?.tcp?.connectTimeout) ?? goDuration(mesh.connectTimeout) ?? durationOf(10_000),
    circuitBreakers: circuitBreakers(pool, policy.retryBudget),
    ...httpProtocolOptions(outboundHttp(view, protocol, pool), { pool, http1: clusterHttp1Options(view.proxyHeaders, protocol) }),
    ...(pool?.http?.maxRequestsPerConnection && { maxRequestsPerConnection: pool.http.maxRequestsPerConnection }),
    ...(keepalive && {
      upstreamConnectionOptions: {
        tcpKeepalive: {
          ...(keepalive.probes !== undefined && { keepaliveProbes: keepalive.probes }),
          ...(keepaliveTime && { keepaliveTime: Number(keepaliveTime.seconds) }),
          ...(keepaliveInterval && { keepaliveInterval: Number(keepaliveInterval.seconds) }),
        },
      },
    }),
    ...proxyProtocol(policy.proxyProtocol),
    ...loadBalancing(policy),
    ...(policy.outlierDetection && { outlierDetection: outlierDetection(policy.outlierDetection) }),
  };
}

export function circuitBreakers(
  pool: ConnectionPool | undefined,
  retryBudget?: EffectivePolicy['retryBudget'],
): NonNullable<ClusterInit['circuitBreakers']> {
  return {
    thresholds: [
      {
        maxConnections: pool?.tcp?.maxConnections ?? UNLIMITED,
        maxPendingRequests: pool?.http?.http1MaxPendingRequests ?? UNLIMITED,
        maxRequests: pool?.http?.http2MaxRequests ?? UNLIMITED,
        maxRetries: pool?.http?.maxRetries ?? UNLIMITED,
        trackRemaining: true,
        ...(retryBudget && {
          retryBudget: { budgetPercent: { value: retryBudget.percent ?? 20 }, minRetryConcurrency: retryBudget.minRetryConcurrency ?? 3 },
        }),
      },
    ],
  };
}

// Each connection begins with a line about the client; behind it stays plaintext.
function proxyProtocol(spec: EffectivePolicy['proxyProtocol']): ClusterInit {
  if (!spec) return {};
  const { ProxyProtocolUpstreamTransportSchema } = proxyProtocolTransportSocket;
  return {
    transportSocket: extension('envoy.transport_sockets.upstream_proxy_protocol', ProxyProtocolUpstreamTransportSchema, {
      config: { version: spec.version === 'V2' ? ProxyProtocolConfig_Version.V2 : ProxyProtocolConfig_Version.V1 },
      transportSocket: extension('envoy.transport_sockets.raw_buffer', rawBufferTransportSocket.RawBufferSchema),
    }),
  };
}

function loadBalancing(policy: PortTrafficPolicy): ClusterInit {
  const { loadBalancer } = policy;
  const locality = {
    localityConfigSpecifier: { case: 'localityWeightedLbConfig' as const, value: {} as Cluster_CommonLbConfig_LocalityWeightedLbConfig },
  };
  const minHealth = policy.outlierDetection && { healthyPanicThreshold: { value: policy.outlierDetection.minHealthPercent ?? 0 } };
  return { ...lbPolicy(loadBalancer), commonLbConfig: { ...locality, ...minHealth } };
}

function lbPolicy(loadBalancer: LoadBalancerSpec | undefined): ClusterInit {
  const hash = loadBalancer?.consistentHash;
  if (hash?.maglev) {
    return {
      lbPolicy: Cluster_LbPolicy.MAGLEV,
      ...(hash.maglev.tableSize && { lbConfig: { case: 'maglevLbConfig', value: { tableSize: BigInt(hash.maglev.tableSize) } } }),
    };
  }
  if (hash) {
    const minimum = hash.ringHash?.minimumRingSize ?? hash.minimumRingSize ?? 1024;
    return { lbPolicy: Cluster_LbPolicy.RING_HASH, lbConfig: { case: 'ringHashLbConfig', value: { minimumRingSize: BigInt(minimum) } } };
  }
  const slowStartConfig = slowStart(loadBalancer);
  switch (loadBalancer?.simple) {
    case 'ROUND_ROBIN':
      return {
        lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
        ...(slowStartConfig && { lbConfig: { case: 'roundRobinLbConfig', value: { slowStartConfig } } }),
      };
    case 'RANDOM':
      return { lbPolicy: Cluster_LbPolicy.RANDOM };
    case 'PASSTHROUGH':
      return { lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED };
    default:
      return {
        lbPolicy: Cluster_LbPolicy.LEAST_REQUEST,
        ...(slowStartConfig && { lbConfig: { case: 'leastRequestLbConfig', value: { slowStartConfig } } }),
      };
  }
}

function slowStart(loadBalancer: LoadBalancerSpec | undefined) {
  const slowStartWindow = goDuration(loadBalancer?.warmup?.duration ?? loadBalancer?.warmupDurationSecs);
  if (!slowStartWindow) return undefined;
  const { minimumPercent = 10, aggression = 1 } = loadBalancer?.warmup ?? {};
  return { slowStartWindow, minWeightPercent: { value: minimumPercent }, aggression: { defaultValue: aggression, runtimeKey: '' } };
}

function outlierDetection(spec: OutlierDetectionSpec): InitOf<typeof OutlierDetectionSchema> {
  const consecutive5xx = spec.consecutive5xxErrors ?? spec.consecutiveErrors;
  const interval = goDuration(spec.interval);
  const baseEjectionTime = goDuration(spec.baseEjectionTime);
  return {
    // Istio turns success-rate ejection off, whatever Envoy's default.
    enforcingSuccessRate: 0,
    ...(consecutive5xx !== undefined && { consecutive5xx, enforcingConsecutive5xx: consecutive5xx > 0 ? 100 : 0 }),
    ...(spec.consecutiveGatewayErrors !== undefined && {
      consecutiveGatewayFailure: spec.consecutiveGatewayErrors,
      enforcingConsecutiveGatewayFailure: spec.consecutiveGatewayErrors > 0 ? 100 : 0,
    }),
    ...(interval && { interval }),
    ...(baseEjectionTime && { baseEjectionTime }),
    ...(spec.maxEjectionPercent !== undefined && { maxEjectionPercent: spec.maxEjectionPercent }),
    ...(spec.splitExternalLocalOriginErrors && {
      splitExternalLocalOriginErrors: true,
      consecutiveLocalOriginFailure: spec.consecutiveLocalOriginFailures ?? 5,
      enforcingConsecutiveLocalOriginFailure: 100,
      enforcingLocalOriginSuccessRate: 0,
    }),
  };
}
