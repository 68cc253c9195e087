// Counters and gauges under Envoy's names, as plain numbers; reading them happens at scrape time.

import type { RequestRecord } from '../http/request-record.ts';

export class HttpStats {
  downstream_cx_total = 0;
  downstream_cx_active = 0;
  downstream_rq_total = 0;
  downstream_rq_active = 0;
  downstream_rq_completed = 0;
  downstream_rq_1xx = 0;
  downstream_rq_2xx = 0;
  downstream_rq_3xx = 0;
  downstream_rq_4xx = 0;
  downstream_rq_5xx = 0;
  no_route = 0;

  finish(record: RequestRecord): void {
    this.downstream_rq_active--;
    this.downstream_rq_completed++;
    if (record.decision?.kind === 'not_found') this.no_route++;
    const status = record.responseCode;
    if (status >= 500) this.downstream_rq_5xx++;
    else if (status >= 400) this.downstream_rq_4xx++;
    else if (status >= 300) this.downstream_rq_3xx++;
    else if (status >= 200) this.downstream_rq_2xx++;
    else if (status >= 100) this.downstream_rq_1xx++;
  }
}

export class TcpStats {
  downstream_cx_total = 0;
  downstream_cx_active = 0;
  downstream_cx_rx_bytes_total = 0;
  downstream_cx_tx_bytes_total = 0;
}

/** One value, both ways of naming it: `/stats` prints `name`, Prometheus `family{labels}`. */
export type Stat = {
  readonly name: string;
  readonly family: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly type: 'counter' | 'gauge';
  readonly value: number;
};

const GAUGES = /(?:_active|^membership_(?:total|healthy|degraded)|ejections_active)$/;

export type StatGroup = {
  /** e.g. `cluster.outbound|80||a.`, including the final dot. */
  prefix: string;
  /** e.g. `envoy_cluster_`. */
  family: string;
  labels: Readonly<Record<string, string>>;
  values: object;
};

/** The numbers of an object as stats. */
export function statsOf({ prefix, family, labels, values }: StatGroup): Stat[] {
  return Object.entries(values).flatMap(([field, value]: [string, unknown]) => {
    if (typeof value !== 'number') return [];
    const code = /^(.*_rq)_(\dxx)$/.exec(field);
    return [
      {
        name: `${prefix}${field}`,
        // Envoy turns the class of a status code into a label.
        family: `${family}${code ? `${code[1]}_xx` : field}`,
        labels: code ? { envoy_response_code_class: (code[2] as string)[0] as string, ...labels } : labels,
        type: GAUGES.test(field) ? 'gauge' : 'counter',
        value,
      },
    ];
  });
}
