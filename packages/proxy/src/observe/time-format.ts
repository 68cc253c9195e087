// START_TIME's argument: strftime with Envoy's %s (seconds), %f (fraction) and %1f to %9f.

const pad = (value: number, width = 2): string => String(value).padStart(width, '0');
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

const FIELDS: Record<string, (date: Date) => string> = {
  Y: (date) => String(date.getUTCFullYear()),
  y: (date) => pad(date.getUTCFullYear() % 100),
  m: (date) => pad(date.getUTCMonth() + 1),
  d: (date) => pad(date.getUTCDate()),
  e: (date) => String(date.getUTCDate()).padStart(2),
  H: (date) => pad(date.getUTCHours()),
  I: (date) => pad(date.getUTCHours() % 12 || 12),
  M: (date) => pad(date.getUTCMinutes()),
  S: (date) => pad(date.getUTCSeconds()),
  p: (date) => (date.getUTCHours() < 12 ? 'AM' : 'PM'),
  b: (date) => MONTHS[date.getUTCMonth()] as string,
  a: (date) => DAYS[date.getUTCDay()] as string,
  F: (date) => `${date.getUTCFullYear()}-${pad(date.getUTCMonth() + 1)}-${pad(date.getUTCDate())}`,
  T: (date) => `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}:${pad(date.getUTCSeconds())}`,
  z: () => '+0000',
  Z: () => 'UTC',
  s: (date) => String(Math.floor(date.getTime() / 1000)),
  f: (date) => pad(date.getUTCMilliseconds(), 3).padEnd(9, '0'),
  '%': () => '%',
};

/** UTC. Without a format: RFC 3339 with milliseconds. An unknown field stays as it is written. */
export function formatTime(epochMs: number, format: string | undefined): string {
  const date = new Date(epochMs);
  if (!format) return date.toISOString();
  return format.replace(/%(\d?)([A-Za-z%])/g, (whole, digits: string, field: string) => {
    if (digits === '') return FIELDS[field]?.(date) ?? whole;
    return field === 'f' ? (FIELDS.f?.(date).slice(0, Number(digits)) ?? whole) : whole;
  });
}
