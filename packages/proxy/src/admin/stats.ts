// `/stats` and the Prometheus form of the same.

import { compileRegex, escapeLabelValue } from '@lateen/base';
import { bucketsOf, countOf, type HistogramCounts, quantilesOf, sumOf } from '../observe/histogram.ts';
import type { Stat } from '../observe/stats.ts';
import type { EndpointReply, EndpointRequest } from './http-endpoint.ts';

export function renderPrometheus(stats: readonly Stat[]): string {
  const families = new Map<string, Stat[]>();
  for (const stat of stats) {
    const known = families.get(stat.family);
    if (known) known.push(stat);
    else families.set(stat.family, [stat]);
  }
  let text = '';
  for (const [family, members] of [...families].sort(([a], [b]) => (a < b ? -1 : 1))) {
    text += `# TYPE ${family} ${members[0]?.type}\n`;
    for (const { labels, value, counts } of members) {
      const pairs = Object.entries(labels).map(([key, label]) => `${key}="${escapeLabelValue(label)}"`);
      text += counts ? histogramLines(family, pairs, counts) : `${family}{${pairs.join(',')}} ${value}\n`;
    }
  }
  return text;
}

function histogramLines(family: string, pairs: readonly string[], counts: HistogramCounts): string {
  const total = countOf(counts);
  const buckets = [...bucketsOf(counts), { bound: '+Inf', count: total }];
  const labels = pairs.join(',');
  return [
    ...buckets.map(({ bound, count }) => `${family}_bucket{${[...pairs, `le="${bound}"`].join(',')}} ${count}\n`),
    `${family}_sum{${labels}} ${sumOf(counts)}\n`,
    `${family}_count{${labels}} ${total}\n`,
  ].join('');
}

export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

const TYPES: Readonly<Record<string, (stat: Stat) => boolean>> = {
  All: () => true,
  Counters: ({ type }) => type === 'counter',
  Gauges: ({ type }) => type === 'gauge',
  Histograms: ({ type }) => type === 'histogram',
  TextReadouts: () => false,
};

const byName = (a: Stat, b: Stat): number => (a.name < b.name ? -1 : 1);

/** `/stats` with filter, invert_filter, usedonly, type, format=text|json|prometheus. `exposition` is the whole Prometheus text. */
export function replyStats({ query }: Pick<EndpointRequest, 'query'>, stats: readonly Stat[], exposition: () => string): EndpointReply {
  const filter = query.get('filter');
  const regex = filter ? compileRegex(filter) : undefined;
  if (regex && !regex.ok) return { status: 400, body: `Invalid re2 regex: ${regex.error}\n` };
  const type = query.get('type') ?? 'All';
  if (!Object.hasOwn(TYPES, type)) return { status: 400, body: 'invalid &type= param\n' };
  const isOfType = TYPES[type] as (stat: Stat) => boolean;
  const inverts = query.has('invert_filter');
  const chosen = stats.filter(
    (stat) =>
      (!regex || regex.value.matchesPartly(stat.name) !== inverts) && (!query.has('usedonly') || stat.value !== 0) && isOfType(stat),
  );
  switch (query.get('format') ?? 'text') {
    case 'prometheus': {
      const isWhole = !regex && !query.has('usedonly');
      return { status: 200, body: isWhole ? exposition() : renderPrometheus(chosen), contentType: PROMETHEUS_TYPE };
    }
    case 'json': {
      const sorted = chosen.sort(byName);
      const list: object[] = sorted.filter(({ counts }) => !counts).map(({ name, value }) => ({ name, value }));
      const histograms = sorted.filter(({ counts }) => counts);
      if (histograms.length > 0) list.push({ histograms: jsonOf(histograms) });
      return { status: 200, contentType: 'application/json', body: JSON.stringify({ stats: list }) };
    }
    case 'text':
      return {
        status: 200,
        // As Envoy: histograms stand behind all numbers.
        body: chosen
          .sort((a, b) => Number(a.type === 'histogram') - Number(b.type === 'histogram') || byName(a, b))
          .map(({ name, value, counts }) => `${name}: ${counts ? summaryOf(counts) : value}\n`)
          .join(''),
      };
    default:
      return { status: 400, body: 'usage: /stats?format=(json|prometheus|text)\n' };
  }
}

// Envoy shows the last interval beside the whole; intervals are not kept here.

function summaryOf(counts: HistogramCounts): string {
  if (counts.length === 0) return 'No recorded values';
  return quantilesOf(counts)
    .map(({ percent, value }) => `P${percent}(nan,${value})`)
    .join(' ');
}

const jsonOf = (histograms: readonly Stat[]): object => ({
  supported_quantiles: quantilesOf([]).map(({ percent }) => percent),
  computed_quantiles: histograms.map(({ name, counts = [] }) => ({
    name,
    values: quantilesOf(counts).map(({ value = null }) => ({ interval: null, cumulative: value })),
  })),
});
