// The forms of /stats that people and scripts read: text, JSON, HTML.

import { binsOf, bucketsOf, type HistogramCounts, quantilesOf } from '../observe/histogram.ts';
import type { Stat } from '../observe/stats.ts';

/** How a histogram is told: by quantiles (none, summary), by buckets, or by all that is known. */
export type BucketMode = 'none' | 'summary' | 'cumulative' | 'disjoint' | 'detailed' | 'prometheusnative';

export const BUCKET_MODES: ReadonlyMap<string, BucketMode> = new Map(
  (['none', 'summary', 'cumulative', 'disjoint', 'detailed', 'prometheusnative'] as const).map((mode) => [mode, mode]),
);

export type FormOptions = {
  readonly mode: BucketMode;
  /** Bounds of a histogram's buckets by its name; undefined: Envoy's. */
  bounds(name: string): readonly number[] | undefined;
};

export function renderText(stats: readonly Stat[], options: FormOptions): string {
  return stats
    .map((stat) => `${stat.name}: ${textOf(stat, options)}\n`)
    .join('')
    .replaceAll(': \n  totals', ':\n  totals');
}

function textOf({ name, value, counts, text }: Stat, { mode, bounds }: FormOptions): string {
  if (text !== undefined) return JSON.stringify(text);
  if (!counts) return String(value);
  if (counts.length === 0) return 'No recorded values';
  switch (mode) {
    case 'cumulative':
    case 'disjoint':
      return bucketsIn(mode, counts, bounds(name))
        .map(({ bound, count }) => `B${shortNumber(bound)}(0,${count})`)
        .join(' ');
    case 'detailed': {
      const totals = binsOf(counts).map(({ low, width, count }) => `${low},${width}:${count}`);
      return `\n  totals=${totals.join(', ')}\n  intervals=\n  summary=${summaryOf(counts)}`;
    }
    default:
      return summaryOf(counts);
  }
}

// Envoy shows the last interval beside the whole; intervals are not kept here.
const summaryOf = (counts: HistogramCounts): string =>
  quantilesOf(counts)
    .map(({ percent, value }) => `P${percent}(nan,${value})`)
    .join(' ');

/** Six digits, as C's %g: 1.8e+06. */
const shortNumber = (value: number): string => (value >= 1e6 ? value.toExponential().replace(/e\+(\d)$/, 'e+0$1') : String(value));

function bucketsIn(mode: 'cumulative' | 'disjoint', counts: HistogramCounts, bounds: readonly number[] | undefined) {
  const cumulative = bucketsOf(counts, bounds);
  if (mode === 'cumulative') return cumulative;
  return cumulative.map(({ bound, count }, i) => ({ bound, count: count - (cumulative[i - 1]?.count ?? 0) }));
}

export function renderJson(stats: readonly Stat[], options: FormOptions): string {
  const list: object[] = stats.filter(({ counts }) => !counts).map(({ name, value, text }) => ({ name, value: text ?? value }));
  const histograms = stats.filter(({ counts }) => counts);
  if (histograms.length > 0) list.push({ histograms: histogramsIn(histograms, options) });
  return JSON.stringify({ stats: list });
}

function histogramsIn(histograms: readonly Stat[], { mode, bounds }: FormOptions): object {
  const supported = quantilesOf([]).map(({ percent }) => percent);
  const quantiles = (counts: HistogramCounts) => quantilesOf(counts).map(({ value = null }) => ({ cumulative: value, interval: null }));
  if (mode === 'cumulative' || mode === 'disjoint') {
    return histograms.map(({ name, counts = [] }) => ({
      name,
      buckets: bucketsIn(mode, counts, bounds(name)).map(({ bound, count }) => ({ upper_bound: bound, interval: 0, cumulative: count })),
    }));
  }
  if (mode === 'detailed') {
    return {
      supported_percentiles: supported,
      details: histograms.map(({ name, counts = [] }) => ({
        name,
        totals: binsOf(counts).map(({ low, width, count }) => ({ lower_bound: low, width, count })),
        intervals: [],
        percentiles: quantiles(counts),
      })),
    };
  }
  return {
    supported_quantiles: supported,
    computed_quantiles: histograms.map(({ name, counts = [] }) => ({ name, values: quantiles(counts) })),
  };
}

const escapeHtml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

export function renderHtml(stats: readonly Stat[], options: FormOptions): string {
  const title = '<!DOCTYPE html>\n<html lang="en"><head><title>Envoy Admin</title></head><body>';
  return `${title}<pre>\n${escapeHtml(renderText(stats, options))}</pre></body></html>\n`;
}
