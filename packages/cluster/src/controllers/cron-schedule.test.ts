import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCronSchedule } from './cron-schedule.ts';

const FROM = '2026-01-14T10:07:30Z'; // a Wednesday

const cases: [schedule: string, next: string | undefined][] = [
  ['* * * * *', '2026-01-14T10:08:00Z'],
  ['*/15 * * * *', '2026-01-14T10:15:00Z'],
  ['5/20 * * * *', '2026-01-14T10:25:00Z'],
  ['0 3,9 * * *', '2026-01-15T03:00:00Z'],
  ['30 8-17/3 * * *', '2026-01-14T11:30:00Z'],
  ['0 0 1 * *', '2026-02-01T00:00:00Z'],
  ['0 12 * * MON-FRI', '2026-01-14T12:00:00Z'],
  ['0 12 * * 7', '2026-01-18T12:00:00Z'],
  ['0 0 13 * fri', '2026-01-16T00:00:00Z'],
  ['0 0 29 feb *', '2028-02-29T00:00:00Z'],
  ['0 0 31 2 *', undefined],
  ['@hourly', '2026-01-14T11:00:00Z'],
  ['@weekly', '2026-01-18T00:00:00Z'],
];
for (const [schedule, next] of cases) {
  test(`schedule ${schedule} is next due at ${next}`, () => {
    const parsed = parseCronSchedule(schedule);
    assert.ok(parsed.ok);
    assert.equal(parsed.value.next(Date.parse(FROM)), next === undefined ? undefined : Date.parse(next));
  });
}

for (const schedule of ['', '* * * *', '60 * * * *', '* * 0 * *', '*/0 * * * *', '5-1 * * * *', 'x * * * *', '1/2/3 * * * *', '@reboot']) {
  test(`schedule ${JSON.stringify(schedule)} is refused`, () => assert.equal(parseCronSchedule(schedule).ok, false));
}
