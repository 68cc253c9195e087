// Traffic policy -> the fields of a Cluster: circuit breakers, connection pool, load balancing, outlier detection.

import type { Any } from '@bufbuild/protobuf/wkt';
import {
  type Cluster_CommonLbConfig_LocalityWeightedLbConfig,
  Cluster_LbPolicy,
  type ClusterSchema,
  type OutlierDetectionSchema,
  upstreamHttp,
} from '@lateen/xds/messages/config';
import {
  type ConnectionPool,
  isHttp2,
  type LoadBalancerSpec,
  type MeshConfig,
  type OutlierDetectionSpec,
  type PortTrafficPolicy,
  type Protocol,
} from '../model/index.ts';
import { durationOf, goDuration, type InitOf, pack } from './pack.ts';

type ClusterInit = InitOf<typeof ClusterSchema>;

const UNLIMITED = 4_294_967_295;
const DEFAULT_IDLE_TIMEOUT_MS = 3_600_000;
const HTTP_PROTOCOL_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** The fields every cluster with endpoints shares. */
export function clusterPolicy(policy: PortTrafficPolicy, { mesh, protocol }: { mesh: MeshConfig; protocol: Protocol }): ClusterInit {
  const pool = policy.connectionPool;
  const options = protocolOptions(pool, { protocol, upgradesHttp1: upgradesHttp1(pool, mesh) });
  const keepalive = pool?.tcp?.tcpKeepalive;
  const keepaliveTime = goDuration(keepalive?.time);
  const keepaliveInterval = goDuration(keepalive?.interval);
  return {
    connectTimeout: goDuration(pool?.tcp?.connectTimeout) ?? goDuration(mesh.connectTimeout) ?? durationOf(10_000),
    circuitBreakers: circuitBreakers(pool),
    ...(options && { typedExtensionProtocolOptions: { [HTTP_PROTOCOL_OPTIONS]: options } }),
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
    ...loadBalancing(policy),
    ...(policy.outlierDetection && { outlierDetection: outlierDetection(policy.outlierDetection) }),
  };
}

export function circuitBreakers(pool: ConnectionPool | undefined): NonNullable<ClusterInit['circuitBreakers']> {
  return {
    thresholds: [
      {
        maxConnections: pool?.tcp?.maxConnections ?? UNLIMITED,
        maxPendingRequests: pool?.http?.http1MaxPendingRequests ?? UNLIMITED,
        maxRequests: pool?.http?.http2MaxRequests ?? UNLIMITED,
        maxRetries: pool?.http?.maxRetries ?? UNLIMITED,
        trackRemaining: true,
      },
    ],
  };
}

const upgradesHttp1 = (pool: ConnectionPool | undefined, mesh: MeshConfig): boolean => {
  const own = pool?.http?.h2UpgradePolicy ?? 'DEFAULT';
  return (own === 'DEFAULT' ? mesh.h2UpgradePolicy : own) === 'UPGRADE';
};

// HTTP/2 when the port says so; the client's own protocol where it was sniffed; else HTTP/1.1, the message's default.
function protocolOptions(
  pool: ConnectionPool | undefined,
  { protocol, upgradesHttp1 }: { protocol: Protocol; upgradesHttp1: boolean },
): Any | undefined {
  const http = pool?.http;
  const idleTimeout = goDuration(http?.idleTimeout);
  const wantsHttp2 = isHttp2(protocol) || (upgradesHttp1 && protocol === 'HTTP');
  const http2 = { ...(http?.maxConcurrentStreams && { maxConcurrentStreams: http.maxConcurrentStreams }) };
  const upstreamProtocolOptions =
    http?.useClientProtocol || protocol === 'Sniffed'
      ? { case: 'useDownstreamProtocolConfig' as const, value: { httpProtocolOptions: {}, http2ProtocolOptions: http2 } }
      : wantsHttp2
        ? { case: 'explicitHttpConfig' as const, value: { protocolConfig: { case: 'http2ProtocolOptions' as const, value: http2 } } }
        : { case: 'explicitHttpConfig' as const, value: { protocolConfig: { case: 'httpProtocolOptions' as const, value: {} } } };
  if (!idleTimeout && upstreamProtocolOptions.case === 'explicitHttpConfig' && !wantsHttp2) return undefined;
  return pack(upstreamHttp.HttpProtocolOptionsSchema, {
    upstreamProtocolOptions,
    commonHttpProtocolOptions: { idleTimeout: idleTimeout ?? durationOf(DEFAULT_IDLE_TIMEOUT_MS) },
  });
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
