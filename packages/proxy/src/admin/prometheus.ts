// Statistics in Prometheus' text form.

import { escapeLabelValue } from '@lateen/base';
import { bucketsOf, countOf, type HistogramCounts, quantilesOf, sumOf } from '../observe/histogram.ts';
import type { StatTags } from '../observe/stat-tags.ts';
import type { Stat } from '../observe/stats.ts';

export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export type PrometheusOptions = {
  /** Families and labels by name; undefined: as the statistics say themselves. */
  readonly tags: StatTags | undefined;
  /** Bounds of a histogram's buckets by its name; undefined: Envoy's. */
  bucketsFor(name: string): readonly number[] | undefined;
};

type Options = PrometheusOptions & {
  /** Quantiles instead of buckets. Default false. */
  readonly asSummaries?: boolean;
  /** Texts as gauges whose label is the text. Default false: left out. */
  readonly withTexts?: boolean;
};

type Member = { readonly stat: Stat; readonly labels: Stat['labels'] };

/** Envoy's order: counters, gauges, texts, histograms. */
const TYPES: readonly Stat['type'][] = ['counter', 'gauge', 'text', 'histogram'];

export function renderPrometheus(stats: readonly Stat[], options: Options): string {
  const families = new Map<string, Member[]>();
  for (const stat of stats) {
    if (stat.type === 'text' && !options.withTexts) continue;
    const { family, labels } = options.tags ? options.tags(stat.name) : stat;
    const known = families.get(family);
    if (known) known.push({ stat, labels });
    else families.set(family, [{ stat, labels }]);
  }
  const sorted = [...families].sort(([a, [first]], [b, [other]]) => rankOf(first) - rankOf(other) || (a < b ? -1 : 1));
  return sorted.map(([family, members]) => familyLines(family, members, options)).join('');
}

/** Of an exposition what `keeps` wants. */
export const familiesOf = (exposition: string, keeps: (family: string, type: string) => boolean): string =>
  exposition
    .split(/^(?=# HELP )/m)
    .filter((part) => {
      const [, family = '', type = ''] = /^# TYPE (\S+) (\S+)$/m.exec(part) ?? [];
      return keeps(family, type);
    })
    .join('');

const rankOf = (member: Member | undefined): number => (member ? TYPES.indexOf(member.stat.type) : 0);

function familyLines(family: string, members: readonly Member[], options: Options): string {
  const type = members[0]?.stat.type;
  const shown = type === 'text' ? 'gauge' : type === 'histogram' && options.asSummaries ? 'summary' : type;
  let text = `# TYPE ${family} ${shown}\n`;
  for (const { stat, labels } of members) {
    const pairs = Object.entries(labels).map(([key, label]) => `${key}="${escapeLabelValue(label)}"`);
    if (stat.text !== undefined) pairs.push(`text_value="${escapeLabelValue(stat.text)}"`);
    if (!stat.counts) text += `${family}{${pairs.join(',')}} ${stat.value}\n`;
    else
      text += distribution(family, pairs, stat.counts, { asSummary: options.asSummaries ?? false, bounds: options.bucketsFor(stat.name) });
  }
  return text;
}

function distribution(
  family: string,
  pairs: readonly string[],
  counts: HistogramCounts,
  { asSummary, bounds }: { asSummary: boolean; bounds: readonly number[] | undefined },
): string {
  const total = countOf(counts);
  const labels = pairs.join(',');
  const lines = asSummary
    ? quantilesOf(counts).map(
        ({ percent, value = 'nan' }) => `${family}{${[...pairs, `quantile="${percent / 100}"`].join(',')}} ${value}\n`,
      )
    : [...bucketsOf(counts, bounds), { bound: '+Inf', count: total }].map(
        ({ bound, count }) => `${family}_bucket{${[...pairs, `le="${bound}"`].join(',')}} ${count}\n`,
      );
  return [...lines, `${family}_sum{${labels}} ${sumOf(counts)}\n`, `${family}_count{${labels}} ${total}\n`].join('');
}
