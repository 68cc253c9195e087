import { type OutlierDetection, OutlierDetectionSchema } from '@lateen/xds/messages/proxy';
import type { OutlierRuntime } from '../model.ts';
import { honours, type Report } from './report.ts';
import { durationMsOr } from './values.ts';

const check = honours(
  OutlierDetectionSchema,
  OutlierDetectionSchema.fields.map((field) => field.localName).filter((name) => name !== 'monitors' && name !== 'detectDegradedHosts'),
);

export function compileOutlier(message: OutlierDetection, report: Report): OutlierRuntime {
  check(message, report);
  const baseEjectionMs = durationMsOr(message.baseEjectionTime, 30_000);
  if (durationMsOr(message.maxEjectionTime, baseEjectionMs) < baseEjectionMs) {
    report.at('max_ejection_time').refuse('must not be below base_ejection_time');
  }
  return {
    consecutive5xx: message.consecutive5xx ?? 5,
    consecutiveGatewayFailure: message.consecutiveGatewayFailure ?? 5,
    consecutiveLocalOriginFailure: message.consecutiveLocalOriginFailure ?? 5,
    enforcing5xxPercent: message.enforcingConsecutive5xx ?? 100,
    enforcingGatewayFailurePercent: message.enforcingConsecutiveGatewayFailure ?? 0,
    enforcingLocalOriginPercent: message.enforcingConsecutiveLocalOriginFailure ?? 100,
    splitExternalLocalOriginErrors: message.splitExternalLocalOriginErrors,
    intervalMs: durationMsOr(message.interval, 10_000),
    baseEjectionMs,
    maxEjectionMs: Math.max(durationMsOr(message.maxEjectionTime, 300_000), baseEjectionMs),
    maxEjectionJitterMs: durationMsOr(message.maxEjectionTimeJitter, 0),
    maxEjectionPercent: message.maxEjectionPercent ?? 10,
    alwaysEjectOneHost: message.alwaysEjectOneHost ?? false,
    successRate: {
      enforcingPercent: message.enforcingSuccessRate ?? 100,
      enforcingLocalOriginPercent: message.enforcingLocalOriginSuccessRate ?? 100,
      minimumHosts: message.successRateMinimumHosts ?? 5,
      requestVolume: message.successRateRequestVolume ?? 100,
      stdevFactor: (message.successRateStdevFactor ?? 1900) / 1000,
    },
    failurePercentage: {
      enforcingPercent: message.enforcingFailurePercentage ?? 0,
      enforcingLocalOriginPercent: message.enforcingFailurePercentageLocalOrigin ?? 0,
      minimumHosts: message.failurePercentageMinimumHosts ?? 5,
      requestVolume: message.failurePercentageRequestVolume ?? 50,
      thresholdPercent: message.failurePercentageThreshold ?? 85,
    },
    unejectOnActiveHealthCheck: message.successfulActiveHealthCheckUnejectHost ?? true,
  };
}
