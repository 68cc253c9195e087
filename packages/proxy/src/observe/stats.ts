// Counters and gauges under Envoy's names, as plain numbers; reading them happens at scrape time.

import { flagBit, type RequestRecord } from '../http/request-record.ts';
import type { RouteDecision } from '../runtime/index.ts';
import { ByteCount, type Metered } from './byte-count.ts';
import { countOf, Histogram, type HistogramCounts, mergeCounts } from './histogram.ts';

/** A connection as its bytes are counted, and whether TLS carries it. */
export type ClientConnection = Metered & { readonly tls?: unknown };

/** How a connection ended. */
export type ClientEnd = {
  readonly endedByPeer: boolean;
  /** A request was under way. */
  readonly brokeOff: boolean;
};

export class HttpStats {
  downstream_cx_total = 0;
  downstream_cx_active = 0;
  downstream_cx_destroy = 0;
  downstream_cx_destroy_local = 0;
  downstream_cx_destroy_remote = 0;
  downstream_cx_destroy_active_rq = 0;
  downstream_cx_destroy_local_active_rq = 0;
  downstream_cx_destroy_remote_active_rq = 0;
  downstream_cx_http1_total = 0;
  downstream_cx_http2_total = 0;
  downstream_cx_protocol_error = 0;
  downstream_rq_total = 0;
  downstream_rq_active = 0;
  downstream_rq_completed = 0;
  downstream_rq_http1_total = 0;
  downstream_rq_http2_total = 0;
  downstream_rq_1xx = 0;
  downstream_rq_2xx = 0;
  downstream_rq_3xx = 0;
  downstream_rq_4xx = 0;
  downstream_rq_5xx = 0;
  downstream_rq_rx_reset = 0;
  downstream_rq_too_large = 0;
  downstream_rq_timeout = 0;
  downstream_rq_idle_timeout = 0;
  downstream_rq_header_timeout = 0;
  downstream_rq_max_duration_reached = 0;
  downstream_rq_ws_on_non_ws_route = 0;
  downstream_rq_rejected_via_ip_detection = 0;
  downstream_rq_failed_path_normalization = 0;
  downstream_rq_overload_close = 0;
  downstream_rq_response_before_rq_complete = 0;
  rq_reset_after_downstream_response_started = 0;
  rs_too_large = 0;
  downstream_cx_ssl_total = 0;
  no_route = 0;
  no_cluster = 0;
  rq_total = 0;
  rq_direct_response = 0;
  readonly downstream_rq_time = new Histogram();
  readonly downstream_cx_length_ms = new Histogram();
  readonly http1 = new ByteCount();
  readonly http2 = new ByteCount();

  connectionOpened(protocol: 'http1' | 'http2', connection: ClientConnection): void {
    this.downstream_cx_total++;
    this.downstream_cx_active++;
    if (connection.tls) this.downstream_cx_ssl_total++;
    this[protocol].add(connection);
    if (protocol === 'http2') this.downstream_cx_http2_total++;
    else this.downstream_cx_http1_total++;
  }

  connectionClosed(lengthMs: number, connection: ClientConnection, end: ClientEnd): void {
    if (!this.http1.end(connection)) this.http2.end(connection);
    this.downstream_cx_active--;
    this.countEnd(lengthMs, end);
  }

  /** Nothing came over it. */
  connectionUnused(lengthMs: number, isIdle: boolean): void {
    this.downstream_cx_total++;
    this.countEnd(lengthMs, { endedByPeer: !isIdle, brokeOff: false });
  }

  private countEnd(lengthMs: number, { endedByPeer, brokeOff }: ClientEnd): void {
    this.downstream_cx_destroy++;
    if (endedByPeer) this.downstream_cx_destroy_remote++;
    else this.downstream_cx_destroy_local++;
    if (brokeOff) {
      this.downstream_cx_destroy_active_rq++;
      if (endedByPeer) this.downstream_cx_destroy_remote_active_rq++;
      else this.downstream_cx_destroy_local_active_rq++;
    }
    this.downstream_cx_length_ms.record(lengthMs);
  }

  /** What is computed when somebody asks. */
  computed(): Record<string, number> {
    const open = [...this.http1.connections, ...this.http2.connections] as ClientConnection[];
    const [one, two] = [this.http1.named('downstream_cx'), this.http2.named('downstream_cx')];
    return {
      downstream_cx_http1_active: this.http1.connections.size,
      downstream_cx_http2_active: this.http2.connections.size,
      downstream_cx_ssl_active: open.filter(({ tls }) => tls).length,
      downstream_cx_rx_bytes_total: one.downstream_cx_rx_bytes_total + two.downstream_cx_rx_bytes_total,
      downstream_cx_tx_bytes_total: one.downstream_cx_tx_bytes_total + two.downstream_cx_tx_bytes_total,
    };
  }

  finish(record: RequestRecord): void {
    this.downstream_rq_active--;
    this.downstream_rq_time.record(record.durationMs);
    if (record.protocol === 'HTTP/2') this.downstream_rq_http2_total++;
    else this.downstream_rq_http1_total++;
    this.countDecision(record.decision?.kind);
    const status = record.responseCode;
    if (status > 0) {
      this.downstream_rq_completed++;
      if (record.requestDurationMs === undefined) this.downstream_rq_response_before_rq_complete++;
    }
    this.countClass(status);
    // What went well has no flag and Envoy's usual words.
    if (record.responseFlags !== 0 || record.responseCodeDetails !== 'via_upstream') this.countTrouble(record);
  }

  /** A request that this process answered itself, outside of the data path. */
  finishOwn(status: number, durationMs: number): void {
    this.downstream_rq_active--;
    this.downstream_rq_http1_total++;
    this.downstream_rq_completed++;
    this.downstream_rq_time.record(durationMs);
    this.countClass(status);
  }

  private countClass(status: number): void {
    if (status >= 500) this.downstream_rq_5xx++;
    else if (status >= 400) this.downstream_rq_4xx++;
    else if (status >= 300) this.downstream_rq_3xx++;
    else if (status >= 200) this.downstream_rq_2xx++;
    else if (status >= 100) this.downstream_rq_1xx++;
  }

  private countDecision(kind: RouteDecision['kind'] | undefined): void {
    if (kind !== undefined) this.rq_total++;
    if (kind === 'not_found') this.no_route++;
    // A redirect is an answer like any other to Envoy; its rq_redirect counts nothing.
    else if (kind === 'redirect' || kind === 'respond') this.rq_direct_response++;
  }

  private countTrouble({ responseFlags: flags, responseCodeDetails: details, protocol, responseCode, decision }: RequestRecord): void {
    if (flags & DOWNSTREAM_RESET || (flags & PROTOCOL_ERROR && (protocol !== 'HTTP/2' || responseCode === 0)))
      this.downstream_rq_rx_reset++;
    // Of HTTP/2 the codec counts connections.
    if (flags & PROTOCOL_ERROR && protocol !== 'HTTP/2') this.downstream_cx_protocol_error++;
    if (flags & NO_CLUSTER) this.no_cluster++;
    if (flags & IDLE) this.downstream_rq_idle_timeout++;
    if (flags & OVERLOADED) this.downstream_rq_overload_close++;
    // A filter that answers keeps the request from the router.
    if (decision !== undefined && ANSWERS_OF_FILTERS.has(details)) this.rq_total--;
    if (details.startsWith('upstream_reset_after_response_started')) this.rq_reset_after_downstream_response_started++;
    switch (details) {
      case 'path_normalization_failed':
        this.downstream_rq_failed_path_normalization++;
        break;
      case 'response_payload_too_large':
        this.rs_too_large++;
        break;
      case 'request_payload_too_large':
        this.downstream_rq_too_large++;
        break;
      case 'request_overall_timeout':
        this.downstream_rq_timeout++;
        break;
      case 'request_header_timeout':
        this.downstream_rq_header_timeout++;
        break;
      case 'max_duration_timeout':
        this.downstream_rq_max_duration_reached++;
        break;
      case 'upgrade_failed':
        this.downstream_rq_ws_on_non_ws_route++;
        break;
      case 'rejecting_because_detection_failed':
        this.downstream_rq_rejected_via_ip_detection++;
        break;
    }
  }
}

const DOWNSTREAM_RESET = flagBit('DC') + flagBit('DR');
const OVERLOADED = flagBit('OM');
const ANSWERS_OF_FILTERS: ReadonlySet<string> = new Set([
  'fault_filter_abort',
  'local_rate_limited',
  'health_check_ok',
  'health_check_cached',
  'health_check_failed',
  'request_payload_too_large',
]);
const PROTOCOL_ERROR = flagBit('DPE');
const NO_CLUSTER = flagBit('NC');
const IDLE = flagBit('SI');

export class TcpStats {
  downstream_cx_total = 0;
  downstream_cx_active = 0;
  downstream_cx_rx_bytes_total = 0;
  downstream_cx_tx_bytes_total = 0;
  downstream_cx_drain_close = 0;
  downstream_cx_no_route = 0;
  idle_timeout = 0;
  max_downstream_connection_duration = 0;
}

/** One value, both ways of naming it: `/stats` prints `name`, Prometheus `family{labels}`. */
export type Stat = {
  readonly name: string;
  readonly family: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly type: 'counter' | 'gauge' | 'histogram' | 'text';
  /** Of a histogram: how many were recorded; 0 of a text. */
  readonly value: number;
  readonly text?: string;
  /** Of a histogram. */
  readonly counts?: HistogramCounts;
};

/** What two threads tell of the same thing, as one. */
export const addStats = (a: Stat, b: Stat): Stat => ({
  ...a,
  value: a.value + b.value,
  ...(a.counts && b.counts && { counts: mergeCounts(a.counts, b.counts) }),
});

/** What a field of a statistics object says; undefined for other fields. */
export function readValue(value: unknown, isGauge: boolean): Pick<Stat, 'type' | 'value' | 'counts'> | undefined {
  if (typeof value === 'number') return { type: isGauge ? 'gauge' : 'counter', value };
  if (!(value instanceof Histogram)) return undefined;
  const counts = value.counts();
  return { type: 'histogram', value: countOf(counts), counts };
}

const GAUGES = /(?:_active|^membership_(?:total|healthy|degraded)|ejections_active)$/;

export type StatGroup = {
  /** e.g. `cluster.outbound|80||a.`, including the final dot. */
  prefix: string;
  /** e.g. `envoy_cluster_`. */
  family: string;
  labels: Readonly<Record<string, string>>;
  values: object;
};

/** The numbers and histograms of an object as stats. */
export function statsOf({ prefix, family, labels, values }: StatGroup): Stat[] {
  return Object.entries(values).flatMap(([field, value]: [string, unknown]) => {
    const read = readValue(value, GAUGES.test(field));
    if (!read) return [];
    const code = /^(.*_rq)_(\dxx)$/.exec(field);
    return [
      {
        name: `${prefix}${field}`,
        // Envoy turns the class of a status code into a label.
        family: `${family}${code ? `${code[1]}_xx` : field}`,
        labels: code ? { envoy_response_code_class: (code[2] as string)[0] as string, ...labels } : labels,
        ...read,
      },
    ];
  });
}
