// HPACK's static table (RFC 7541 appendix A), as lines ready to be copied into a head.

import { tagOfName } from './field-tag.ts';

const FIELDS = `:authority|:method|GET|:method|POST|:path|/|:path|/index.html|:scheme|http|:scheme|https|:status|200|:status|204|:status|206\
|:status|304|:status|400|:status|404|:status|500`;

/** Name and value of entry i + 1. */
export const STATIC_FIELDS: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''],
  ...pairs(FIELDS.slice(FIELDS.indexOf('|') + 1).split('|')),
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ...[
    'accept-language',
    'accept-ranges',
    'accept',
    'access-control-allow-origin',
    'age',
    'allow',
    'authorization',
    'cache-control',
    'content-disposition',
    'content-encoding',
    'content-language',
    'content-length',
    'content-location',
    'content-range',
    'content-type',
    'cookie',
    'date',
    'etag',
    'expect',
    'expires',
    'from',
    'host',
    'if-match',
    'if-modified-since',
    'if-none-match',
    'if-range',
    'if-unmodified-since',
    'last-modified',
    'link',
    'location',
    'max-forwards',
    'proxy-authenticate',
    'proxy-authorization',
    'range',
    'referer',
    'refresh',
    'retry-after',
    'server',
    'set-cookie',
    'strict-transport-security',
    'transfer-encoding',
    'user-agent',
    'vary',
    'via',
    'www-authenticate',
  ].map((name) => [name, ''] as const),
];

function pairs(list: readonly string[]): (readonly [string, string])[] {
  return list.flatMap((name, i) => (i % 2 === 0 ? [[name, list[i + 1] as string] as const] : []));
}

export const STATIC_COUNT: number = STATIC_FIELDS.length;

/** Every entry as "name: value" CRLF, one after the other. */
export const STATIC_LINES: Buffer = Buffer.from(STATIC_FIELDS.map(([name, value]) => `${name}: ${value}\r\n`).join(''), 'latin1');

/** Of entry i + 1, at 4i: where its line starts, length of its name, length of its value, its tag. */
export const STATIC_ENTRIES: Int32Array = new Int32Array(4 * STATIC_COUNT);

const indices = new Map<string, number>();
let lineStart = 0;
STATIC_FIELDS.forEach(([name, value], i) => {
  STATIC_ENTRIES.set([lineStart, name.length, value.length, tagOfName(STATIC_LINES, lineStart, lineStart + name.length)], 4 * i);
  lineStart += name.length + value.length + 4;
  if (!indices.has(name)) indices.set(name, i + 1);
});

/** The first entry with this name, or 0. */
export const staticIndexOf = (lowerName: string): number => indices.get(lowerName) ?? 0;
