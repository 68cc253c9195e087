// Prints the bars of the design and whether the results in bench/results meet them. `npm run bench` ends with it.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BARS, judge, type MeasuredRow } from './support/bars.ts';
import { columns } from './support/report.ts';

const folder = join(import.meta.dirname, 'results');
const measured = new Map<string, readonly MeasuredRow[]>();
for (const { scenario } of BARS) {
  const path = join(folder, `${scenario}.json`);
  if (existsSync(path)) measured.set(scenario, (JSON.parse(readFileSync(path, 'utf8')) as { rows: MeasuredRow[] }).rows);
}
const lines = judge(BARS, measured).map(({ name, row, bar, figure, met }) => [
  name,
  row,
  bar,
  figure,
  met === undefined ? '-' : met ? 'met' : 'missed',
]);
console.log(`\nThe bars of the data plane\n\n${columns([['', '', 'bar', 'figure', ''], ...lines])}`);
