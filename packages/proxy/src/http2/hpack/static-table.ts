// HPACK's static table as lines ready to be copied into a head.

import { tagOfName } from './field-tag.ts';
import { STATIC_COUNT, STATIC_FIELDS } from './static-fields.ts';

/** Every entry as "name: value" CRLF, one after the other. */
export const STATIC_LINES: Buffer = Buffer.from(STATIC_FIELDS.map(([name, value]) => `${name}: ${value}\r\n`).join(''), 'latin1');

/** Of entry i + 1, at 4i: where its line starts, length of its name, length of its value, its tag. */
export const STATIC_ENTRIES: Int32Array = new Int32Array(4 * STATIC_COUNT);

let lineStart = 0;
STATIC_FIELDS.forEach(([name, value], i) => {
  STATIC_ENTRIES.set([lineStart, name.length, value.length, tagOfName(STATIC_LINES, lineStart, lineStart + name.length)], 4 * i);
  lineStart += name.length + value.length + 4;
});
