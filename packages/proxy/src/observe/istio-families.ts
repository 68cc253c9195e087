// The families of Istio's standard metrics, and the series of one request or connection in all of them.

import { type Counter, ENVOY_BUCKETS, type Histogram, type Labels, type MetricFamily, type MetricRegistry } from '@lateen/base';
import { celText } from '@lateen/base/cel';
import type { RequestRecord } from '../http/request-record.ts';
import type { CelDimension, IstioStatsRuntime } from '../runtime/model.ts';
import { scopeOf } from './cel-attributes.ts';
import { UNKNOWN } from './workload.ts';

type Removable = {
  /** Monotonic milliseconds. */
  lastUsedMs: number;
  /** Forget the series in their families. */
  readonly removals: readonly (() => void)[];
};
export type HttpSeries = Removable & {
  readonly requests: Counter;
  readonly durations: Histogram;
  readonly requestBytes: Histogram;
  readonly responseBytes: Histogram;
  readonly requestMessages: Counter;
  readonly responseMessages: Counter;
};
export type TcpSeries = Removable & {
  readonly opened: Counter;
  readonly closed: Counter;
  readonly sent: Counter;
  readonly received: Counter;
};
export type Series = HttpSeries | TcpSeries;

/** The labels of a metric after Telemetry overrides; undefined when it is switched off. */
export type AdjustLabels = (metric: string, labels: Labels) => Labels | undefined;

export type IstioFamilies = {
  httpSeries(labels: Labels, adjust: AdjustLabels): HttpSeries;
  tcpSeries(labels: Labels, adjust: AdjustLabels): TcpSeries;
};

const IGNORED_COUNTER: Counter = { add() {}, value: 0 };
const IGNORED_HISTOGRAM: Histogram = { observe() {} };

export function createIstioFamilies(registry: MetricRegistry): IstioFamilies {
  const buckets = ENVOY_BUCKETS;
  const counter = (name: string, help: string) => registry.counter({ name: `istio_${name}`, help });
  const histogram = (name: string, help: string) => registry.histogram({ name: `istio_${name}`, help, buckets });
  const requests = counter('requests_total', 'Requests handled by the proxy.');
  const durations = histogram('request_duration_milliseconds', 'Duration of requests, milliseconds.');
  const requestBytes = histogram('request_bytes', 'Size of request bodies, bytes.');
  const responseBytes = histogram('response_bytes', 'Size of response bodies, bytes.');
  const requestMessages = counter('request_messages_total', 'gRPC messages sent by clients.');
  const responseMessages = counter('response_messages_total', 'gRPC messages sent by servers.');
  const opened = counter('tcp_connections_opened_total', 'TCP connections opened.');
  const closed = counter('tcp_connections_closed_total', 'TCP connections closed.');
  // "Sent" is what the server sent: Kiali and the dashboards read it that way.
  const sent = counter('tcp_sent_bytes_total', 'Bytes sent in responses of TCP connections.');
  const received = counter('tcp_received_bytes_total', 'Bytes received in requests of TCP connections.');

  const picker = (labels: Labels, adjust: AdjustLabels) => {
    const removals: (() => void)[] = [];
    const pick = <Handle>(family: MetricFamily<Handle>, ignored: Handle): Handle => {
      const adjusted = adjust(family.name, labels);
      if (!adjusted) return ignored;
      removals.push(() => family.remove(adjusted));
      return family.labels(adjusted);
    };
    return { pick, removals };
  };
  return {
    httpSeries(labels, adjust) {
      const { pick, removals } = picker(labels, adjust);
      const isGrpc = labels.request_protocol === 'grpc';
      return {
        lastUsedMs: 0,
        removals,
        requests: pick(requests, IGNORED_COUNTER),
        durations: pick(durations, IGNORED_HISTOGRAM),
        requestBytes: pick(requestBytes, IGNORED_HISTOGRAM),
        responseBytes: pick(responseBytes, IGNORED_HISTOGRAM),
        requestMessages: isGrpc ? pick(requestMessages, IGNORED_COUNTER) : IGNORED_COUNTER,
        responseMessages: isGrpc ? pick(responseMessages, IGNORED_COUNTER) : IGNORED_COUNTER,
      };
    },
    tcpSeries(labels, adjust) {
      const { pick, removals } = picker(labels, adjust);
      return {
        lastUsedMs: 0,
        removals,
        opened: pick(opened, IGNORED_COUNTER),
        closed: pick(closed, IGNORED_COUNTER),
        sent: pick(sent, IGNORED_COUNTER),
        received: pick(received, IGNORED_COUNTER),
      };
    },
  };
}

/** Overrides whose dimensions may be expressions: those are evaluated first, for each request. */
export type Overrides = {
  /** Texts of the expressions; empty when there is none. What has no value is "unknown". */
  evaluate(record: RequestRecord): readonly string[];
  adjustWith(values: readonly string[]): AdjustLabels;
};

const NO_VALUES: readonly string[] = [];

export function compileOverrides(stats: IstioStatsRuntime | undefined): Overrides {
  const overrides = stats?.overrides ?? [];
  const programs = overrides.flatMap(({ dimensions }) => [...dimensions.values()].filter((value) => typeof value !== 'string'));
  const evaluate = (record: RequestRecord) => {
    const scope = scopeOf(record);
    return programs.map(({ program }) => celText(program(scope)) ?? UNKNOWN);
  };
  const adjustWith = (values: readonly string[]): AdjustLabels => {
    const textOf = (value: string | CelDimension) => (typeof value === 'string' ? value : (values[programs.indexOf(value)] ?? UNKNOWN));
    return (metric, labels) => {
      const adjusted = { ...labels };
      for (const override of overrides) {
        if (override.metric !== '' && `istio_${override.metric}` !== metric) continue;
        if (override.drop) return undefined;
        for (const [key, value] of override.dimensions) adjusted[key] = textOf(value);
        for (const tag of override.tagsToRemove) delete adjusted[tag];
      }
      return adjusted;
    };
  };
  return {
    evaluate: programs.length === 0 ? () => NO_VALUES : evaluate,
    adjustWith: overrides.length === 0 ? () => (_metric, labels) => labels : adjustWith,
  };
}
