// HPACK's static table (RFC 7541 appendix A) as text.

const NAMES_WITHOUT_VALUE =
  'accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control content-disposition ' +
  'content-encoding content-language content-length content-location content-range content-type cookie date etag expect expires from ' +
  'host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified link location max-forwards ' +
  'proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie strict-transport-security ' +
  'transfer-encoding user-agent vary via www-authenticate';

type Field = readonly [name: string, value: string];

/** Name and value of entry i + 1. */
export const STATIC_FIELDS: readonly Field[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  ...[200, 204, 206, 304, 400, 404, 500].map((status): Field => [':status', String(status)]),
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ...NAMES_WITHOUT_VALUE.split(' ').map((name): Field => [name, '']),
];

export const STATIC_COUNT: number = STATIC_FIELDS.length;

const indices = new Map<string, number>();
STATIC_FIELDS.forEach(([name], i) => {
  if (!indices.has(name)) indices.set(name, i + 1);
});

/** The first entry with this name, or 0. */
export const staticIndexOf = (lowerName: string): number => indices.get(lowerName) ?? 0;
