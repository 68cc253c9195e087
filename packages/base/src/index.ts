export { type Backoff, type BackoffOptions, createBackoff } from './backoff.ts';
export { type Cidr, cidrContains, parseCidr, parseIp } from './cidr.ts';
export { type Clock, delay, systemClock, type Timer } from './clock.ts';
export { formatDuration, parseDuration } from './duration.ts';
export { CodedError, type CodedErrorOptions, codeOf, messageOf } from './errors.ts';
export { compareHostSpecificity, hostMatches, hostsIntersect, intersectHosts } from './host.ts';
export { isObject, type Json, type JsonObject, jsonEqual, parseJson, stableStringify } from './json.ts';
export { type Closable, createLifecycle, type Lifecycle } from './lifecycle.ts';
export { createLogger, LOG_LEVELS, type LogFields, type Logger, type LoggerOptions, type LogLevel, silentLogger } from './logger.ts';
export {
  type Counter,
  createMetricRegistry,
  ENVOY_BUCKETS,
  escapeLabelValue,
  type Gauge,
  type Histogram,
  type HistogramOptions,
  type Labels,
  type MetricFamily,
  type MetricOptions,
  type MetricRegistry,
} from './metrics.ts';
export { compileRegex, type Regex } from './regex.ts';
export { fail, ok, type Result } from './result.ts';
export type { DialOptions, SocketAddress, Transport, TransportListener } from './transport.ts';
export { ISTIO_VERSION, LATEEN_VERSION } from './version.ts';
