// The encoding half of HPACK. It refers to the static table only: what it writes depends on nothing that went before, so that lines
// encoded once serve every connection, and a peer's table cannot get out of step.

import { writeText } from '../../http/bytes.ts';
import type { Head } from '../../http/head.ts';
import { type EncodedLines, type HeadTemplate, TemplatedHead } from '../head-template.ts';
import { copyBytes } from './field-block.ts';
import { CONNECTION_HEADERS } from './field-tag.ts';
import { STATIC_FIELDS, staticIndexOf } from './static-table.ts';

/** More than a line takes beyond its name and value. */
const LINE_OVERHEAD = 12;
const LITERAL = 0x00;
const NEVER_INDEXED = 0x10;
const INDEXED = 0x80;

/** Writes an integer below the bits of `first` (RFC 7541 5.1); returns the end. */
export function writeInteger(out: Buffer, position: number, first: number, { value, mask }: { value: number; mask: number }): number {
  let at = position;
  if (value < mask) {
    out[at++] = first | value;
    return at;
  }
  out[at++] = first | mask;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) out[at++] = (rest & 0x7f) | 0x80;
  out[at++] = rest;
  return at;
}

/** Writes a field as a literal without indexing; returns the end. `value` is latin1. */
export function writeField(out: Buffer, position: number, lowerName: string, value: string): number {
  return writeValue(out, writeName(out, position, lowerName, LITERAL), value);
}

/** Writes ":status". */
export function writeStatus(out: Buffer, at: number, status: number): number {
  const index = STATUS_INDEX[status];
  if (index !== undefined) {
    out[at] = INDEXED | index;
    return at + 1;
  }
  return writeField(out, at, ':status', String(status));
}

const STATUS_INDEX: number[] = [];
STATIC_FIELDS.forEach(([name, value], i) => {
  if (name === ':status') STATUS_INDEX[Number(value)] = i + 1;
});
const WHOLE = new Map(STATIC_FIELDS.map(([name, value], i) => [`${name} ${value}`, i + 1]));

/** As `writeField`, by its index where the static table has the whole field. */
export function writeKnownField(out: Buffer, at: number, lowerName: string, value: string): number {
  const index = WHOLE.get(`${lowerName} ${value}`);
  if (index === undefined) return writeField(out, at, lowerName, value);
  out[at] = INDEXED | index;
  return at + 1;
}

function writeName(out: Buffer, position: number, lowerName: string, kind: number): number {
  const index = staticIndexOf(lowerName);
  if (index > 0) return writeInteger(out, position, kind, { value: index, mask: 0x0f });
  out[position] = kind;
  return writeValue(out, position + 1, lowerName);
}

function writeValue(out: Buffer, position: number, text: string): number {
  const at = writeInteger(out, position, 0, { value: text.length, mask: 0x7f });
  return writeText(out, at, text);
}

/** Room that `writeLines` may need for this head. */
export const maxEncodedBytes = (head: Head): number => head.maxSize() + LINE_OVERHEAD * (head.count + head.addedCount);

/** Writes the lines that stand and the added ones; `without` names a header that is left out (`host`). Returns the end. */
export function writeLines(out: Buffer, position: number, head: Head, without: string): number {
  let at = head instanceof TemplatedHead ? copyLines(out, position, head) : encodeHead(out, position, head, without);
  for (let i = 0; i < head.addedCount; i++) {
    const name = head.addedName(i);
    if (name !== without && !CONNECTION_HEADERS.has(name)) at = writeField(out, at, name, head.addedValue(i));
  }
  return at;
}

function copyLines(out: Buffer, position: number, head: TemplatedHead): number {
  const { bytes, starts } = head.template.encoded;
  const { dropped, count } = head;
  let at = position;
  for (let line = 0; line < count; ) {
    if (dropped[line] !== 0) {
      line++;
      continue;
    }
    const from = line;
    while (line < count && dropped[line] === 0) line++;
    const start = starts[from] as number;
    const length = (starts[line] as number) - start;
    copyBytes(bytes, start, length, out, at);
    at += length;
  }
  return at;
}

function encodeHead(out: Buffer, position: number, head: Head, without: string): number {
  let at = position;
  for (let line = 0; line < head.count; line++) {
    if (head.dropped[line] !== 0) continue;
    const name = head.lineName(line);
    if (name !== without && !CONNECTION_HEADERS.has(name)) at = writeLine(out, head, line, writeName(out, at, name, LITERAL));
  }
  return at;
}

function writeLine(out: Buffer, head: { bytes: Buffer; spans: Int32Array }, line: number, nameEnd: number): number {
  const start = head.spans[line * 4 + 2] as number;
  const length = (head.spans[line * 4 + 3] as number) - start;
  const at = writeInteger(out, nameEnd, 0, { value: length, mask: 0x7f });
  copyBytes(head.bytes, start, length, out, at);
  return at + length;
}

/** A template's lines; `host` takes no room, because HTTP/2 says it in `:authority`. */
export function encodeLines(template: HeadTemplate): EncodedLines {
  const { bytes, spans, count, neverIndexed } = template;
  const out = Buffer.allocUnsafeSlow(template.size + LINE_OVERHEAD * count);
  const starts = new Int32Array(count + 1);
  let at = 0;
  for (let line = 0; line < count; line++) {
    const name = bytes.toString('latin1', spans[line * 4] as number, spans[line * 4 + 1] as number);
    if (name !== 'host')
      at = writeLine(out, template, line, writeName(out, at, name, neverIndexed?.[line] === 1 ? NEVER_INDEXED : LITERAL));
    starts[line + 1] = at;
  }
  return { bytes: out.subarray(0, at), starts };
}
