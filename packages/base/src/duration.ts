// Durations as Go and protobuf write them: "1h30m", "0.5s", "250ms", "-1.5h".

import { fail, ok, type Result } from './result.ts';

const UNIT_NS: Record<string, number> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };
const PART = /^(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/;

/** Parses a Go duration into milliseconds (fractions kept). "0" needs no unit. */
export function parseDuration(text: string): Result<number> {
  if (text.length > 64) return fail('duration is too long');
  let rest = text;
  let sign = 1;
  if (rest.startsWith('-') || rest.startsWith('+')) {
    sign = rest[0] === '-' ? -1 : 1;
    rest = rest.slice(1);
  }
  if (rest === '0') return ok(0);
  if (rest === '') return fail(`invalid duration ${JSON.stringify(text)}`);
  let ns = 0;
  while (rest !== '') {
    const part = PART.exec(rest);
    const unit = part && UNIT_NS[part[2] as string];
    if (!part || unit === undefined || unit === null) return fail(`invalid duration ${JSON.stringify(text)}`);
    ns += Number(part[1]) * unit;
    rest = rest.slice(part[0].length);
  }
  return ok((sign * ns) / 1e6);
}

/** Milliseconds in Go's notation, largest units first: 5400000 -> "1h30m0s", 250 -> "250ms", 0 -> "0s". */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  const sign = ms < 0 ? '-' : '';
  const abs = Math.abs(ms);
  if (abs < 1000) return abs < 1 ? `${sign}${trim(abs * 1000)}µs` : `${sign}${trim(abs)}ms`;
  const hours = Math.floor(abs / 3_600_000);
  const minutes = Math.floor((abs % 3_600_000) / 60_000);
  const seconds = trim((abs % 60_000) / 1000);
  return `${sign}${hours ? `${hours}h` : ''}${hours || minutes ? `${minutes}m` : ''}${seconds}s`;
}

const trim = (value: number): string => String(Number(value.toFixed(9)));
