// What operators may change of a cluster by runtime keys while the proxy runs, under Envoy's names.

import type { RuntimeKeys } from '../runtime/model/share.ts';
import type { CircuitBreaker, OutlierRuntime, ZoneAware } from '../runtime/model.ts';

type Keys = RuntimeKeys | undefined;

/** `circuit_breakers.<cluster>.<priority>.*`. */
export function overrideLimits(limits: CircuitBreaker, prefix: string, keys: Keys): CircuitBreaker {
  if (!keys) return limits;
  const of = (key: string, otherwise: number) => keys.integer(`circuit_breakers.${prefix}.${key}`) ?? otherwise;
  const { retryBudget } = limits;
  const percent = of('retry_budget.budget_percent', retryBudget?.percent ?? -1);
  const minConcurrency = of('retry_budget.min_retry_concurrency', retryBudget?.minConcurrency ?? -1);
  const hasBudget = percent >= 0 || minConcurrency >= 0;
  return {
    ...limits,
    maxConnections: of('max_connections', limits.maxConnections),
    maxPendingRequests: of('max_pending_requests', limits.maxPendingRequests),
    maxRequests: of('max_requests', limits.maxRequests),
    maxRetries: of('max_retries', limits.maxRetries),
    retryBudget: hasBudget ? { percent: percent < 0 ? 20 : percent, minConcurrency: minConcurrency < 0 ? 3 : minConcurrency } : undefined,
  };
}

/** `upstream.healthy_panic_threshold`, in percent. */
export const overridePanic = (percent: number, keys: Keys): number =>
  Math.min(100, keys?.integer('upstream.healthy_panic_threshold') ?? percent);

/** `upstream.zone_routing.*`. */
export function overrideZones(zoneAware: ZoneAware | undefined, keys: Keys): ZoneAware | undefined {
  if (!zoneAware || !keys) return zoneAware;
  const share = keys.share('upstream.zone_routing.enabled');
  return {
    ...zoneAware,
    routingEnabledPercent: share === undefined ? zoneAware.routingEnabledPercent : share * 100,
    minClusterSize: keys.integer('upstream.zone_routing.min_cluster_size') ?? zoneAware.minClusterSize,
  };
}

/** `outlier_detection.*`. */
export function overrideOutlier(outlier: OutlierRuntime | undefined, keys: Keys): OutlierRuntime | undefined {
  if (!outlier || !keys) return outlier;
  const of = (key: string, otherwise: number) => keys.integer(`outlier_detection.${key}`) ?? otherwise;
  const { successRate: rate, failurePercentage: share } = outlier;
  return {
    ...outlier,
    consecutive5xx: of('consecutive_5xx', outlier.consecutive5xx),
    consecutiveGatewayFailure: of('consecutive_gateway_failure', outlier.consecutiveGatewayFailure),
    consecutiveLocalOriginFailure: of('consecutive_local_origin_failure', outlier.consecutiveLocalOriginFailure),
    enforcing5xxPercent: of('enforcing_consecutive_5xx', outlier.enforcing5xxPercent),
    enforcingGatewayFailurePercent: of('enforcing_consecutive_gateway_failure', outlier.enforcingGatewayFailurePercent),
    enforcingLocalOriginPercent: of('enforcing_consecutive_local_origin_failure', outlier.enforcingLocalOriginPercent),
    intervalMs: of('interval_ms', outlier.intervalMs),
    baseEjectionMs: of('base_ejection_time_ms', outlier.baseEjectionMs),
    maxEjectionMs: of('max_ejection_time_ms', outlier.maxEjectionMs),
    maxEjectionJitterMs: of('max_ejection_time_jitter_ms', outlier.maxEjectionJitterMs),
    maxEjectionPercent: Math.min(100, of('max_ejection_percent', outlier.maxEjectionPercent)),
    successRate: {
      enforcingPercent: of('enforcing_success_rate', rate.enforcingPercent),
      enforcingLocalOriginPercent: of('enforcing_local_origin_success_rate', rate.enforcingLocalOriginPercent),
      minimumHosts: of('success_rate_minimum_hosts', rate.minimumHosts),
      requestVolume: of('success_rate_request_volume', rate.requestVolume),
      stdevFactor: of('success_rate_stdev_factor', rate.stdevFactor * 1000) / 1000,
    },
    failurePercentage: {
      enforcingPercent: of('enforcing_failure_percentage', share.enforcingPercent),
      enforcingLocalOriginPercent: of('enforcing_failure_percentage_local_origin', share.enforcingLocalOriginPercent),
      minimumHosts: of('failure_percentage_minimum_hosts', share.minimumHosts),
      requestVolume: of('failure_percentage_request_volume', share.requestVolume),
      thresholdPercent: of('failure_percentage_threshold', share.thresholdPercent),
    },
  };
}
