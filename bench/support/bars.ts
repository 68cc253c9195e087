// The bars of the design (section 6), judged by what the scenarios of one run have written.

import type { PeerName } from './peers.ts';

/** What a scenario's JSON has of a row. */
export type MeasuredRow = { name: string; medians: Partial<Record<string, number>>; lateenIsBetterBy: Partial<Record<string, number>> };

type Bar = {
  name: string;
  scenario: string;
  /** The rows it is about; each is judged. */
  rows: RegExp;
} & (
  | { peer: PeerName /** So many times as good as the peer. */; atLeast: number }
  | { /** Of the row's unit. */ atMost: number; unit: string }
);

const MEGABYTE_IN_MIB = 1_000_000 / 1_048_576;

export const BARS: readonly Bar[] = [
  { name: 'HTTP/1.1', scenario: 'h1', rows: /^100 B/, peer: 'nginx', atLeast: 1 },
  { name: 'HTTP/1.1', scenario: 'h1', rows: /^100 B/, peer: 'envoy', atLeast: 2 },
  { name: 'HTTP/1.1', scenario: 'h1', rows: /^64 KiB/, peer: 'nginx', atLeast: 1 },
  { name: 'mutual TLS', scenario: 'mtls', rows: /^100 B/, peer: 'nginx', atLeast: 0.9 },
  { name: 'mutual TLS', scenario: 'mtls', rows: /^100 B/, peer: 'envoy', atLeast: 1.5 },
  { name: 'HTTP/2 unary', scenario: 'h2', rows: /./, peer: 'nginx', atLeast: 1.2 },
  { name: 'HTTP/2 unary', scenario: 'h2', rows: /./, peer: 'haproxy', atLeast: 1 },
  { name: 'latency', scenario: 'latency', rows: /^p(50|99) /, peer: 'envoy', atLeast: 1 },
  {
    name: 'resident memory',
    scenario: 'services',
    rows: /^1000 services beside, (started|settled again)/,
    atMost: 90 * MEGABYTE_IN_MIB,
    unit: 'MiB',
  },
  { name: 'memory of a connection', scenario: 'idle', rows: /./, atMost: 20, unit: 'KiB' },
];

export type Verdict = { name: string; row: string; bar: string; figure: string; met: boolean | undefined };

/** One verdict for each bar and row; `met` is undefined where a figure is missing. */
export function judge(bars: readonly Bar[], measured: ReadonlyMap<string, readonly MeasuredRow[]>): Verdict[] {
  return bars.flatMap((bar) => {
    const rows = (measured.get(bar.scenario) ?? []).filter(({ name }) => bar.rows.test(name));
    if (rows.length === 0) return [{ name: bar.name, row: '', bar: wanted(bar), figure: 'not measured', met: undefined }];
    return rows.map((row): Verdict => {
      const value = 'peer' in bar ? row.lateenIsBetterBy[bar.peer] : row.medians['lateen'];
      const head = { name: bar.name, row: row.name, bar: wanted(bar) };
      if (value === undefined) return { ...head, figure: 'not measured', met: undefined };
      return 'peer' in bar
        ? { ...head, figure: `${value.toFixed(2)}x`, met: value >= bar.atLeast }
        : { ...head, figure: `${value.toFixed(1)} ${bar.unit}`, met: value <= bar.atMost };
    });
  });
}

const wanted = (bar: Bar): string =>
  'peer' in bar ? `at least ${bar.atLeast.toFixed(1)}x ${bar.peer}` : `at most ${bar.atMost.toFixed(1)} ${bar.unit}`;
