// The encoding half of HPACK. It refers to the static table only: what it writes depends on nothing that went before, so that lines
// encoded once serve every connection, and a peer's table cannot get out of step.

import { writeText } from '../../http/bytes.ts';
import type { Head } from '../../http/head.ts';
import { type EncodedLines, type HeadTemplate, NAME_NEVER_INDEXED, TemplatedHead } from '../head-template.ts';
import { copyBytes, lastingCopy } from './field-block.ts';
import { CONNECTION_HEADERS } from './field-tag.ts';
import { STATIC_FIELDS, staticIndexOf } from './static-fields.ts';

/** More than a line takes beyond its name and value. */
const LINE_OVERHEAD = 12;
const LITERAL = 0x00;
const NEVER_INDEXED = 0x10;
const INDEXED = 0x80;
const HOST_INDEX = staticIndexOf('host');

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
  return writeValue(out, writeName(out, position, lowerName), value);
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

// What every request says has constant indexes in the static table.
const AUTHORITY_INDEX = 1;
const GET_INDEX = 2;
const POST_INDEX = 3;
const PATH_INDEX = 4;
const HTTP_INDEX = 6;
const HTTPS_INDEX = 7;

/** ":method"; the four below write the other pseudo headers of a request. Each returns the end. */
export function writeMethod(out: Buffer, at: number, method: string): number {
  if (method === 'GET') out[at] = INDEXED | GET_INDEX;
  else if (method === 'POST') out[at] = INDEXED | POST_INDEX;
  else return writeValue(out, writeIndexedName(out, at, GET_INDEX), method);
  return at + 1;
}

export function writeScheme(out: Buffer, at: number, scheme: string): number {
  if (scheme === 'http') out[at] = INDEXED | HTTP_INDEX;
  else if (scheme === 'https') out[at] = INDEXED | HTTPS_INDEX;
  else return writeValue(out, writeIndexedName(out, at, HTTP_INDEX), scheme);
  return at + 1;
}

export const writePath = (out: Buffer, at: number, path: string): number => writeValue(out, writeIndexedName(out, at, PATH_INDEX), path);

export const writeAuthority = (out: Buffer, at: number, authority: string): number =>
  writeValue(out, writeIndexedName(out, at, AUTHORITY_INDEX), authority);

function writeIndexedName(out: Buffer, at: number, index: number): number {
  out[at] = LITERAL | index;
  return at + 1;
}

// Names of fields that we add come from our own code and from the configuration: few, and always the same strings.
const encodedNames = new Map<string, Uint8Array>();
const MAX_NAMES = 1024;

/** Writes a field, unless HTTP/2 has no place for it. */
function writeOwnField(out: Buffer, position: number, lowerName: string, value: string): number {
  const known = encodedNames.get(lowerName);
  if (!known && !isSent(lowerName)) return position;
  return known ? writeValue(out, copyName(out, position, known), value) : writeField(out, position, lowerName, value);
}

function copyName(out: Buffer, position: number, name: Uint8Array): number {
  for (let i = 0; i < name.length; i++) out[position + i] = name[i] as number;
  return position + name.length;
}

function writeName(out: Buffer, position: number, lowerName: string): number {
  const known = encodedNames.get(lowerName);
  return known ? copyName(out, position, known) : writeNewName(out, position, lowerName);
}

function writeNewName(out: Buffer, position: number, lowerName: string): number {
  const index = staticIndexOf(lowerName);
  out[position] = LITERAL;
  const end = index > 0 ? writeInteger(out, position, LITERAL, { value: index, mask: 0x0f }) : writeValue(out, position + 1, lowerName);
  if (encodedNames.size < MAX_NAMES) encodedNames.set(lowerName, Uint8Array.from(out.subarray(position, end)));
  return end;
}

function writeValue(out: Buffer, position: number, text: string): number {
  const at = writeInteger(out, position, 0, { value: text.length, mask: 0x7f });
  return writeText(out, at, text);
}

/** Room that `writeLines` may need for this head. */
export const maxEncodedBytes = (head: Head): number => head.maxSize() + LINE_OVERHEAD * (head.count + head.addedCount);

/** Writes the lines that stand and the added ones, but never `host`, which HTTP/2 says in `:authority`. Returns the end. */
export function writeLines(out: Buffer, position: number, head: Head): number {
  let at = position;
  if (!(head instanceof TemplatedHead)) at = encodeHead(out, at, head);
  else if (head.template.isSettled) at = copyLines(out, at, head);
  else for (let line = 0; line < head.count; line++) if (head.dropped[line] === 0) at = encodeLine(out, at, head.template, line);
  for (let i = 0; i < head.addedCount; i++) at = writeOwnField(out, at, head.addedName(i), head.addedValue(i));
  return at;
}

/** Some servers refuse a message with HTTP2-Settings, though no rule does. */
const isSent = (name: string): boolean => name !== 'host' && name !== 'http2-settings' && !CONNECTION_HEADERS.has(name);

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

/** Lines that came by HTTP/1.1. */
function encodeHead(out: Buffer, position: number, head: Head): number {
  let at = position;
  for (let line = 0; line < head.count; line++) {
    if (head.dropped[line] !== 0) continue;
    const name = head.lineName(line);
    if (isSent(name)) at = writeLineValue(out, writeForeignName(out, at, name), head, line);
  }
  return at;
}

/** As `writeName`, for names that strangers choose: nothing is kept of them. */
function writeForeignName(out: Buffer, position: number, lowerName: string): number {
  const index = staticIndexOf(lowerName);
  if (index > 0) return writeInteger(out, position, LITERAL, { value: index, mask: 0x0f });
  out[position] = LITERAL;
  return writeValue(out, position + 1, lowerName);
}

type Lines = { readonly bytes: Buffer; readonly spans: Int32Array };

function writeLineValue(out: Buffer, nameEnd: number, head: Lines, line: number): number {
  const start = head.spans[line * 4 + 2] as number;
  return writeBytes(out, nameEnd, head.bytes, { start, length: (head.spans[line * 4 + 3] as number) - start });
}

function writeBytes(out: Buffer, position: number, bytes: Buffer, { start, length }: { start: number; length: number }): number {
  const at = writeInteger(out, position, 0, { value: length, mask: 0x7f });
  copyBytes(bytes, start, length, out, at);
  return at + length;
}

/** A line that came by HTTP/2; nothing for the host. */
function encodeLine(out: Buffer, position: number, template: HeadTemplate, line: number): number {
  const name = template.names[line] as number;
  const index = name & ~NAME_NEVER_INDEXED;
  if (index === HOST_INDEX) return position;
  const kind = (name & NAME_NEVER_INDEXED) !== 0 ? NEVER_INDEXED : LITERAL;
  if (index > 0) return writeLineValue(out, writeInteger(out, position, kind, { value: index, mask: 0x0f }), template, line);
  out[position] = kind;
  const start = template.spans[line * 4] as number;
  const length = (template.spans[line * 4 + 1] as number) - start;
  return writeLineValue(out, writeBytes(out, position + 1, template.bytes, { start, length }), template, line);
}

/** A template's lines, to be copied from. */
export function encodeLines(template: HeadTemplate): EncodedLines {
  const { count } = template;
  const out = Buffer.allocUnsafe(template.size + LINE_OVERHEAD * count);
  const starts = new Int32Array(count + 1);
  let at = 0;
  for (let line = 0; line < count; line++) {
    at = encodeLine(out, at, template, line);
    starts[line + 1] = at;
  }
  return { bytes: lastingCopy(out, 0, at), starts };
}
