// `/stats`: which statistics, and in what form.

import { compileRegex } from '@lateen/base';
import { countOf } from '../observe/histogram.ts';
import type { Stat } from '../observe/stats.ts';
import type { EndpointReply, EndpointRequest } from './http-endpoint.ts';
import { familiesOf, PROMETHEUS_TYPE, type PrometheusOptions, renderPrometheus } from './prometheus.ts';
import { BUCKET_MODES, type BucketMode, renderHtml, renderJson, renderText } from './stats-forms.ts';

const TYPES: Readonly<Record<string, (stat: Stat) => boolean>> = {
  All: () => true,
  Counters: ({ type }) => type === 'counter',
  Gauges: ({ type }) => type === 'gauge',
  Histograms: ({ type }) => type === 'histogram',
  TextReadouts: ({ type }) => type === 'text',
};

/** Prometheus' words. */
const KINDS: Readonly<Record<string, string>> = { counter: 'Counters', gauge: 'Gauges', histogram: 'Histograms' };

const ORDER: Readonly<Record<Stat['type'], number>> = { text: 0, counter: 1, gauge: 1, histogram: 2 };
/** As Envoy: texts, then numbers, then histograms. */
const inOrder = (a: Stat, b: Stat): number => ORDER[a.type] - ORDER[b.type] || (a.name < b.name ? -1 : 1);

const isUsed = (stat: Stat): boolean =>
  stat.value !== 0 || (stat.counts !== undefined && countOf(stat.counts) > 0) || (stat.text !== undefined && stat.text !== '');

const wrong = (body: string): EndpointReply => ({ status: 400, body });

export type StatsOptions = PrometheusOptions & {
  /** Istio's metrics, which the Prometheus text ends with. */
  readonly istioMetrics: () => string;
};

/** `/stats` with format, filter, invert_filter, usedonly, type, histogram_buckets, hidden and text_readouts. */
export function replyStats({ query }: Pick<EndpointRequest, 'query'>, stats: readonly Stat[], options: StatsOptions): EndpointReply {
  const format = query.get('format') ?? 'text';
  if (!FORMATS.has(format)) return wrong('usage: /stats?format=(html|active-html|json|prometheus|text)\n\n');
  const asked = query.get('histogram_buckets');
  const mode = asked === null ? undefined : BUCKET_MODES.get(asked);
  if (asked !== null && mode === undefined) {
    return wrong('usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n');
  }
  const type = query.get('type') ?? 'All';
  if (!Object.hasOwn(TYPES, type)) return wrong('invalid &type= param');
  const hidden = query.get('hidden');
  if (hidden !== null && !['include', 'only', 'exclude'].includes(hidden)) return wrong('usage: /stats?hidden=(include|only|exclude)\n\n');
  const filter = query.get('filter');
  const regex = filter ? compileRegex(filter) : undefined;
  if (regex && !regex.ok) return wrong(`Invalid re2 regex: ${regex.error}`);

  const isOfType = TYPES[type] as (stat: Stat) => boolean;
  const inverts = query.has('invert_filter');
  // No statistic is hidden here: overload actions, which may be in Envoy, are few.
  const chosen = (hidden === 'only' ? [] : stats).filter(
    (stat) => (!regex || regex.value.matchesPartly(stat.name) !== inverts) && (!query.has('usedonly') || isUsed(stat)) && isOfType(stat),
  );
  if (format === 'prometheus') {
    if (mode !== undefined && mode !== 'cumulative' && mode !== 'summary') return wrong('unsupported prometheus histogram bucket mode');
    // All of these are used, and none is hidden.
    const keeps = (family: string, kind: string) =>
      hidden !== 'only' && (!regex || regex.value.matchesPartly(family) !== inverts) && (type === 'All' || KINDS[kind] === type);
    const prometheus = { ...options, asSummaries: mode === 'summary', withTexts: query.has('text_readouts') };
    return {
      status: 200,
      body: renderPrometheus(chosen, prometheus) + familiesOf(options.istioMetrics(), keeps),
      contentType: PROMETHEUS_TYPE,
    };
  }
  const sorted = chosen.sort(inOrder);
  const forms = { mode: mode ?? 'none', bounds: options.bucketsFor } satisfies { mode: BucketMode; bounds: typeof options.bucketsFor };
  if (format === 'json') return { status: 200, contentType: 'application/json', body: renderJson(sorted, forms) };
  if (format === 'text') return { status: 200, body: renderText(sorted, forms) };
  return { status: 200, contentType: 'text/html; charset=UTF-8', body: renderHtml(sorted, forms) };
}

const FORMATS: ReadonlySet<string> = new Set(['html', 'active-html', 'json', 'prometheus', 'text']);
