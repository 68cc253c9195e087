// Cron schedules as CronJobs use them: five fields with lists, ranges, steps and names, and the @ shorthands. Times are UTC.

import { fail, ok, type Result } from '@lateen/base';

export type CronSchedule = {
  /** The first matching minute after the time, or undefined when there is none within five years. */
  next(afterMs: number): number | undefined;
};

const SHORTHANDS: Record<string, string> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const LIMIT_MS = 5 * 366 * DAY_MS;

type Field = { name: string; min: number; max: number; names?: readonly string[]; firstName?: number };

const FIELDS: readonly Field[] = [
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day of month', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12, names: MONTHS, firstName: 1 },
  // 7 is Sunday too.
  { name: 'day of week', min: 0, max: 7, names: DAYS, firstName: 0 },
];

export function parseCronSchedule(text: string): Result<CronSchedule> {
  const trimmed = text.trim().toLowerCase();
  const parts = (Object.hasOwn(SHORTHANDS, trimmed) ? (SHORTHANDS[trimmed] as string) : trimmed).split(/\s+/);
  if (parts.length !== FIELDS.length) return fail(`expected exactly 5 fields, found ${parts.length}: ${JSON.stringify(text.slice(0, 80))}`);
  const sets: Set<number>[] = [];
  for (const [i, field] of FIELDS.entries()) {
    const values = parseField(parts[i] as string, field);
    if (!values) return fail(`invalid ${field.name}: ${JSON.stringify(parts[i]?.slice(0, 80))}`);
    sets.push(values);
  }
  const [minutes, hours, daysOfMonth, months, daysOfWeek] = sets as [Set<number>, Set<number>, Set<number>, Set<number>, Set<number>];
  if (daysOfWeek.has(7)) daysOfWeek.add(0);
  // If both day fields are restricted, either may match.
  const anyDayOfMonth = parts[2]?.startsWith('*') ?? false;
  const anyDayOfWeek = parts[4]?.startsWith('*') ?? false;
  const dayMatches = (date: Date): boolean => {
    const byMonth = daysOfMonth.has(date.getUTCDate());
    const byWeek = daysOfWeek.has(date.getUTCDay());
    return months.has(date.getUTCMonth() + 1) && (anyDayOfMonth || anyDayOfWeek ? byMonth && byWeek : byMonth || byWeek);
  };
  const nextAfter = (afterMs: number): number | undefined => {
    let at = Math.floor(afterMs / MINUTE_MS + 1) * MINUTE_MS;
    while (at < afterMs + LIMIT_MS) {
      const date = new Date(at);
      if (!dayMatches(date)) at = Math.floor(at / DAY_MS + 1) * DAY_MS;
      else if (hours.has(date.getUTCHours()) && minutes.has(date.getUTCMinutes())) return at;
      else at += MINUTE_MS;
    }
    return undefined;
  };
  return ok({ next: nextAfter });
}

function parseField(text: string, field: Field): Set<number> | undefined {
  const values = new Set<number>();
  for (const part of text.split(',')) {
    const [range = '', stepText, ...more] = part.split('/');
    const step = stepText === undefined ? 1 : Number(stepText);
    const bounds = parseRange(range, field, stepText !== undefined);
    if (!bounds || more.length > 0 || !Number.isInteger(step) || step < 1) return undefined;
    for (let value = bounds[0]; value <= bounds[1]; value += step) values.add(value);
  }
  return values;
}

function parseRange(text: string, field: Field, hasStep: boolean): [number, number] | undefined {
  if (text === '*' || text === '?') return [field.min, field.name === 'day of week' ? 6 : field.max];
  const [fromText = '', toText, ...more] = text.split('-');
  const from = cronValue(fromText, field);
  // "5/15" means from 5 on.
  const to = toText === undefined ? (hasStep ? field.max : from) : cronValue(toText, field);
  return from === undefined || to === undefined || from > to || more.length > 0 ? undefined : [from, to];
}

function cronValue(text: string, { min, max, names, firstName = 0 }: Field): number | undefined {
  const named = names?.indexOf(text) ?? -1;
  const value = named >= 0 ? named + firstName : /^\d{1,2}$/.test(text) ? Number(text) : -1;
  return value >= min && value <= max ? value : undefined;
}
