// Distributions of whole numbers as Envoy keeps them: bins of two significant digits, from which buckets and quantiles are computed
// when somebody asks. Recording is one addition.

/** Upper bounds of Envoy's buckets. */
const BOUNDS = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000,
] as const;
const QUANTILES = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100] as const;

/** Bins of 0..99 have one number each; those of every further power of ten are 90. */
const DECADES = 7;
const BIN_COUNT = 100 + 90 * DECADES;
const LARGEST = 100 * 10 ** DECADES - 1;

/** Pairs of a bin's number and what it counted; plain data, so that threads can tell each other. */
export type HistogramCounts = readonly (readonly [bin: number, count: number])[];

export class Histogram {
  /** Made at the first recording: most clusters of a sidecar are never used. */
  private bins: Uint32Array | undefined;

  /** `value`: not below 0; what is behind the point is dropped. */
  record(value: number): void {
    this.bins ??= new Uint32Array(BIN_COUNT);
    this.bins[binOf(value)]!++;
  }

  counts(): HistogramCounts {
    const counts: [number, number][] = [];
    this.bins?.forEach((count, bin) => {
      if (count > 0) counts.push([bin, count]);
    });
    return counts;
  }
}

function binOf(value: number): number {
  if (value < 100) return value < 0 ? 0 : Math.trunc(value);
  let rest = Math.min(value, LARGEST);
  let base = 0;
  while (rest >= 100) {
    rest /= 10;
    base += 90;
  }
  return base + Math.trunc(rest);
}

/** Where a bin begins, and how wide it is to Envoy. */
function rangeOf(bin: number): { low: number; width: number } {
  // Envoy's bins have two digits below ten, too.
  if (bin < 10) return { low: bin, width: bin === 0 ? 0 : 0.1 };
  const decade = Math.max(0, Math.floor((bin - 10) / 90));
  return { low: (bin - 90 * decade) * 10 ** decade, width: 10 ** decade };
}

/** Two as one. */
export function mergeCounts(a: HistogramCounts, b: HistogramCounts): HistogramCounts {
  const sums = new Map(a);
  for (const [bin, count] of b) sums.set(bin, (sums.get(bin) ?? 0) + count);
  return [...sums].sort(([left], [right]) => left - right);
}

export const countOf = (counts: HistogramCounts): number => counts.reduce((sum, [, count]) => sum + count, 0);

/** Envoy's estimate: each bin at the point that keeps the relative error least. */
export function sumOf(counts: HistogramCounts): number {
  return counts.reduce((sum, [bin, count]) => {
    const { low, width } = rangeOf(bin);
    return low === 0 ? sum : sum + count * (low + (width * low) / (2 * low + width));
  }, 0);
}

/** How many lie below each bound; default Envoy's bounds. */
export const bucketsOf = (
  counts: HistogramCounts,
  bounds: readonly number[] = BOUNDS,
): readonly { readonly bound: number; readonly count: number }[] =>
  bounds.map((bound) => ({
    bound,
    count: counts.reduce((sum, [bin, count]) => sum + (isBelow(bin, bound) ? count : 0), 0),
  }));

/** What was recorded, as precisely as it is kept. */
export const binsOf = (counts: HistogramCounts): readonly { readonly low: number; readonly width: number; readonly count: number }[] =>
  counts.map(([bin, count]) => ({ ...rangeOf(bin), count }));

function isBelow(bin: number, bound: number): boolean {
  const { low, width } = rangeOf(bin);
  return low + width <= bound;
}

/** Percent and value; nothing while nothing was recorded. */
export function quantilesOf(counts: HistogramCounts): readonly { readonly percent: number; readonly value: number | undefined }[] {
  const total = countOf(counts);
  return QUANTILES.map((percent) => ({
    percent,
    value: total === 0 ? undefined : valueAt(counts, Math.ceil((percent / 100) * total) || 1),
  }));
}

/** The `rank`th smallest, those of a bin spread evenly over it. */
function valueAt(counts: HistogramCounts, rank: number): number {
  let before = 0;
  for (const [bin, count] of counts) {
    if (before + count >= rank) {
      const { low, width } = rangeOf(bin);
      return Number((low + (width * (rank - before)) / (count + 1)).toPrecision(6));
    }
    before += count;
  }
  return 0;
}
