// What absent fields mean, for those who translate the kinds.

import type { LoadBalancerSettings } from './networking/traffic-policy.ts';
import type { HTTPRetry } from './networking/virtual-service.ts';
import type { PeerAuthenticationSpec } from './security/peer-authentication.ts';

/** Retries of a route without `retries`. */
export const DEFAULT_RETRY: Readonly<Required<Pick<HTTPRetry, 'attempts' | 'retryOn' | 'backoff' | 'retryIgnorePreviousHosts'>>> = {
  attempts: 2,
  retryOn: 'connect-failure,refused-stream,unavailable,cancelled',
  backoff: '25ms',
  retryIgnorePreviousHosts: true,
};

/** Outlier detection that is present but leaves fields out. */
export const DEFAULT_OUTLIER_DETECTION = {
  consecutive5xxErrors: 5,
  interval: '10s',
  baseEjectionTime: '30s',
  maxEjectionPercent: 10,
  minHealthPercent: 0,
  consecutiveLocalOriginFailures: 5,
} as const;

/** Weights of destinations: a single one takes everything, and among several an absent weight is 0. */
export function effectiveWeights(destinations: readonly { weight?: number }[]): number[] {
  return destinations.length === 1 ? [1] : destinations.map(({ weight }) => Math.max(0, weight ?? 0));
}

/** The simple algorithm in effect: LEAST_REQUEST unless another is named (LEAST_CONN is its old name). */
export function effectiveAlgorithm(settings: LoadBalancerSettings | undefined): 'LEAST_REQUEST' | 'ROUND_ROBIN' | 'RANDOM' | 'PASSTHROUGH' {
  const simple = settings?.simple;
  return simple === 'ROUND_ROBIN' || simple === 'RANDOM' || simple === 'PASSTHROUGH' ? simple : 'LEAST_REQUEST';
}

/** The mutual TLS mode one PeerAuthentication asks for, or undefined when it inherits. */
export function declaredMtlsMode(spec: PeerAuthenticationSpec, port?: number): 'DISABLE' | 'PERMISSIVE' | 'STRICT' | undefined {
  const own = port === undefined ? undefined : spec.portLevelMtls?.[port]?.mode;
  const mode = own && own !== 'UNSET' ? own : spec.mtls?.mode;
  return mode === 'UNSET' ? undefined : mode;
}
