// A short YAML rendering of an object for messages. Not a YAML writer: long values and deep trees are cut.

import { isObject } from '@lateen/base';

const MAX_LINES = 24;

/** The first lines of `value` as YAML. */
export function renderOutline(value: unknown): string {
  const lines: string[] = [];
  write(value, '', lines);
  return lines.length > MAX_LINES ? [...lines.slice(0, MAX_LINES), '  ...'].join('\n') : lines.join('\n');
}

function write(value: unknown, indent: string, lines: string[]): void {
  if (lines.length > MAX_LINES || indent.length > 24) return;
  if (Array.isArray(value)) {
    for (const item of value) writeItem(item, indent, lines);
  } else if (isObject(value)) {
    for (const [key, inner] of Object.entries(value)) {
      if (inner === undefined) continue;
      if (isEmptyOrScalar(inner)) lines.push(`${indent}${key}: ${scalar(inner)}`);
      else {
        lines.push(`${indent}${key}:`);
        write(inner, `${indent}  `, lines);
      }
    }
  }
}

function writeItem(item: unknown, indent: string, lines: string[]): void {
  if (isEmptyOrScalar(item)) {
    lines.push(`${indent}- ${scalar(item)}`);
    return;
  }
  const start = lines.length;
  write(item, `${indent}  `, lines);
  const first = lines[start];
  if (first !== undefined) lines[start] = `${indent}- ${first.slice(indent.length + 2)}`;
}

const isEmptyOrScalar = (value: unknown): boolean =>
  typeof value !== 'object' || value === null || (Array.isArray(value) ? value.length === 0 : Object.keys(value).length === 0);

function scalar(value: unknown): string {
  if (Array.isArray(value)) return '[]';
  if (isObject(value)) return '{}';
  if (value === null) return '';
  const text = String(value).slice(0, 100);
  const plain = typeof value !== 'string' || /^[A-Za-z0-9_./-][A-Za-z0-9_./ -]*$/.test(text);
  return plain ? text : JSON.stringify(text);
}
