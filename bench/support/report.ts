// One shape for all results: a table to read, JSON to keep.

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { median, type Settings } from './measure.ts';
import type { PeerName } from './peers.ts';
import { checkout } from './stage.ts';

/** One line of a table: a figure of every peer. */
export type Row = {
  name: string;
  unit: string;
  /** Whether more is better. Ratios are printed so that more than 1 is good for Lateen. */
  better: 'more' | 'less';
  /** Run by run. */
  values: Partial<Record<PeerName | 'direct', readonly number[]>>;
  /** Why a peer has no figure. */
  missing: Partial<Record<PeerName, string>>;
};

export type Report = { scenario: string; method: string; settings: Settings; rows: readonly Row[] };

/** Makes a row of what `interleave` gave. */
export function rowOf(
  head: Pick<Row, 'name' | 'unit' | 'better'>,
  { results, failures }: { results: ReadonlyMap<PeerName, readonly number[]>; failures: ReadonlyMap<PeerName, string> },
): Row {
  return { ...head, values: Object.fromEntries(results), missing: Object.fromEntries(failures) };
}

/** Prints the table and writes bench/results/<scenario>.json (`.quick.json`, not for keeping, after a quick run). */
export function publish(report: Report): void {
  const result = {
    scenario: report.scenario,
    date: new Date().toISOString(),
    machine: machine(),
    method: report.method,
    rows: report.rows.map((row) => ({ ...row, medians: mediansOf(row), lateenIsBetterBy: ratiosOf(row) })),
  };
  const folder = join(checkout, 'bench/results');
  mkdirSync(folder, { recursive: true });
  // What a peer says names the files of this run.
  const json = JSON.stringify(result, null, 2).replaceAll(/[^\s"]*\/lateen-bench-\w+\//g, '');
  writeFileSync(join(folder, `${report.scenario}${report.settings.quick ? '.quick' : ''}.json`), `${json}\n`);
  console.log(`\n${report.scenario}: ${report.method}\n${result.machine}\n`);
  console.log(tableOf(report.rows));
  for (const line of missingLines(report.rows)) console.log(line);
}

function tableOf(rows: readonly Row[]): string {
  const order = ['direct', 'nginx', 'haproxy', 'envoy', 'lateen'] as const;
  const used = order.filter((name) => rows.some((row) => name in row.values || name in row.missing));
  const ratios = (['nginx', 'haproxy', 'envoy'] as const).filter((name) => rows.some((row) => ratiosOf(row)[name] !== undefined));
  const lines = [['', ...used, ...ratios.map((name) => `lateen/${name}`), 'unit']];
  for (const row of rows) {
    const medians = mediansOf(row);
    lines.push([
      row.name,
      ...used.map((name) => (medians[name] === undefined ? '-' : format(medians[name]))),
      ...ratios.map((name) => ratiosOf(row)[name]?.toFixed(2) ?? '-'),
      row.unit,
    ]);
  }
  return columns(lines, { rightFrom: 1 });
}

/** Lines of cells as a table; cells from column `rightFrom` on stand at the right, but for the last. Default: all stand at the left. */
export function columns(lines: readonly (readonly string[])[], { rightFrom = Number.POSITIVE_INFINITY } = {}): string {
  const widths = (lines[0] ?? []).map((_, i) => Math.max(...lines.map((line) => (line[i] as string).length)));
  const pad = (cell: string, i: number) =>
    i < rightFrom || i === widths.length - 1 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number);
  return lines.map((line) => line.map(pad).join('  ').trimEnd()).join('\n');
}

/** Each reason once, with the rows that it concerns. */
function missingLines(rows: readonly Row[]): string[] {
  const found = new Map<string, string[]>();
  for (const row of rows) {
    for (const [name, why] of Object.entries(row.missing))
      found.set(`${name}: ${why}`, [...(found.get(`${name}: ${why}`) ?? []), row.name]);
  }
  return [...found].map(([why, names]) => (names.length === rows.length ? why : `${why} (${names.join('; ')})`));
}

function mediansOf({ values }: Row): Partial<Record<string, number>> {
  return Object.fromEntries(Object.entries(values).map(([name, runs]) => [name, median(runs)]));
}

function ratiosOf(row: Row): Partial<Record<string, number>> {
  const { lateen, direct: _, ...others } = mediansOf(row);
  if (lateen === undefined) return {};
  const ratio = (other: number) => (row.better === 'more' ? lateen / other : other / lateen);
  return Object.fromEntries(Object.entries(others).map(([name, other]) => [name, Number(ratio(other as number).toFixed(3))]));
}

const format = (value: number) => (Math.abs(value) >= 100 ? Math.round(value).toString() : value.toPrecision(3));

function machine(): string {
  const node = execFileSync(join(checkout, 'node_modules/.bin/node'), ['--version'], { encoding: 'utf8' }).trim();
  return `${cpus().length} x ${cpus()[0]?.model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${node}`;
}
