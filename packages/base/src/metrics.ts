// Counters, gauges and histograms with the Prometheus text format. A series is resolved once (`labels()`) and then costs an
// addition on a number, so hot paths keep the handle.

export type Labels = Record<string, string>;
export type Counter = { add(amount?: number): void; readonly value: number };
export type Gauge = { set(value: number): void; add(amount: number): void; readonly value: number };
export type Histogram = { observe(value: number): void };

export type MetricFamily<Handle> = {
  readonly name: string;
  /** The series with these label values, made at first use. Order of keys does not matter. */
  labels(labels?: Labels): Handle;
  /** Forgets a series. */
  remove(labels: Labels): void;
};

export type MetricOptions = { name: string; help: string };
export type HistogramOptions = MetricOptions & { buckets: readonly number[] };

export type MetricRegistry = {
  counter(options: MetricOptions): MetricFamily<Counter>;
  gauge(options: MetricOptions): MetricFamily<Gauge>;
  histogram(options: HistogramOptions): MetricFamily<Histogram>;
  /** Runs before each exposition, to refresh gauges. */
  onCollect(refresh: () => void): void;
  /** The Prometheus text exposition format, version 0.0.4. */
  expose(): string;
};

/** Istio's and Envoy's default duration buckets, milliseconds. */
export const ENVOY_BUCKETS = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000,
] as const;

type Series = { labelText: string; render(name: string): string };
type Family = { name: string; help: string; type: string; series: Map<string, Series> };

export function createMetricRegistry(): MetricRegistry {
  const families = new Map<string, Family>();
  const refreshers: (() => void)[] = [];
  const family = <Handle extends object>(type: string, options: MetricOptions, create: (labelText: string) => Handle & Series) => {
    if (families.has(options.name)) throw new Error(`metric ${options.name} is registered twice`);
    const series = new Map<string, Handle & Series>();
    families.set(options.name, { name: options.name, help: options.help, type, series });
    return {
      name: options.name,
      labels(labels: Labels = {}) {
        const key = labelTextOf(labels);
        let handle = series.get(key);
        if (!handle) {
          handle = create(key);
          series.set(key, handle);
        }
        return handle;
      },
      remove: (labels: Labels) => void series.delete(labelTextOf(labels)),
    };
  };
  return {
    counter: (options) => family('counter', options, createCounter),
    gauge: (options) => family('gauge', options, createGauge),
    histogram: (options) => family('histogram', options, (labelText) => createHistogram(labelText, options.buckets)),
    onCollect: (refresh) => void refreshers.push(refresh),
    expose() {
      for (const refresh of refreshers) refresh();
      let text = '';
      for (const { name, help, type, series } of families.values()) {
        if (series.size === 0) continue;
        text += `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`;
        for (const one of series.values()) text += one.render(name);
      }
      return text;
    },
  };
}

function createCounter(labelText: string): Counter & Series {
  let value = 0;
  return {
    labelText,
    add: (amount = 1) => {
      value += amount;
    },
    get value() {
      return value;
    },
    render: (name) => `${name}${braced(labelText)} ${value}\n`,
  };
}

function createGauge(labelText: string): Gauge & Series {
  let value = 0;
  return {
    labelText,
    set: (next) => {
      value = next;
    },
    add: (amount) => {
      value += amount;
    },
    get value() {
      return value;
    },
    render: (name) => `${name}${braced(labelText)} ${value}\n`,
  };
}

function createHistogram(labelText: string, buckets: readonly number[]): Histogram & Series {
  const counts = new Float64Array(buckets.length + 1);
  let sum = 0;
  return {
    labelText,
    observe(value) {
      let i = 0;
      while (i < buckets.length && value > (buckets[i] as number)) i++;
      counts[i] = (counts[i] as number) + 1;
      sum += value;
    },
    render(name) {
      const prefix = labelText ? `${labelText},` : '';
      let total = 0;
      let text = '';
      for (let i = 0; i <= buckets.length; i++) {
        total += counts[i] as number;
        text += `${name}_bucket{${prefix}le="${i < buckets.length ? buckets[i] : '+Inf'}"} ${total}\n`;
      }
      return `${text}${name}_sum${braced(labelText)} ${sum}\n${name}_count${braced(labelText)} ${total}\n`;
    },
  };
}

const braced = (labelText: string): string => (labelText ? `{${labelText}}` : '');

function labelTextOf(labels: Labels): string {
  return Object.keys(labels)
    .sort()
    .map((key) => `${key}="${escapeLabelValue(labels[key] as string)}"`)
    .join(',');
}

/** Escapes a label value as the text format requires. */
export function escapeLabelValue(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
