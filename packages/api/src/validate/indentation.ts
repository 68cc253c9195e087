// Puts back the indentation of a YAML object that lost it, guided by the kind's schema: each line goes to the innermost open
// place that has its field. Good enough for `validate` to show what was probably meant; people decide.

import { KINDS } from '../kinds.ts';
import type { SchemaNode } from '../schema/build.ts';

const MAX_CHARS = 64 * 1024;
const LINE = /^(\s*(?:- +)*)([A-Za-z_@][\w.@/-]*):(?:\s+(.*))?$/;
const DASHED_SCALAR = /^\s*- +(\S.*)$/;

/** A place lines can go to: an object with known fields, a map, or a list. */
type Frame = { node: SchemaNode; depth: number; used: Set<string> };

const text: SchemaNode = { type: 'string' };
const textMap: SchemaNode = { type: 'object', additionalProperties: text };
const metadata: SchemaNode = { type: 'object', properties: { name: text, namespace: text, labels: textMap, annotations: textMap } };

/**
 * One document re-indented, or undefined when it is not an object of a known kind or some line has no place. Comments and blank
 * lines are dropped.
 */
export function repairIndentation(document: string): string | undefined {
  if (document.length > MAX_CHARS) return undefined;
  const kind = /^\s*kind:\s*["']?(\w+)/m.exec(document)?.[1];
  const group = /^\s*apiVersion:\s*["']?([\w.-]+)\//m.exec(document)?.[1];
  const info = KINDS.find((candidate) => candidate.kind === kind && candidate.group === group);
  if (!info) return undefined;
  const root: SchemaNode = { type: 'object', properties: { apiVersion: text, kind: text, metadata, spec: info.schema } };
  const frames: Frame[] = [{ node: root, depth: 0, used: new Set() }];
  const output: string[] = [];
  for (const line of document.split('\n')) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#') || trimmed === '---') continue;
    const placed = placeLine(trimmed, frames);
    if (placed === undefined) return undefined;
    output.push(placed);
  }
  return `${output.join('\n')}\n`;
}

function placeLine(line: string, frames: Frame[]): string | undefined {
  const field = LINE.exec(line);
  const dashes = (field?.[1]?.match(/-/g) ?? []).length;
  if (field && dashes <= 1) return placeField({ name: field[2] as string, value: field[3] ?? '', starts: dashes === 1 }, frames);
  const scalar = DASHED_SCALAR.exec(line);
  return scalar ? placeScalar(scalar[1] as string, frames) : undefined;
}

type Field = { name: string; value: string; starts: boolean };

function placeField(field: Field, frames: Frame[]): string | undefined {
  const target = field.starts ? openItem(field.name, frames) : openObject(field.name, frames);
  if (!target) return undefined;
  target.used.add(field.name);
  const child = childNode(target.node, field.name);
  const pad = '  '.repeat(target.depth);
  const lead = field.starts ? `${pad.slice(0, -2)}- ` : pad;
  if (field.value === '' && child && child.type !== 'string') frames.push({ node: child, depth: target.depth + 1, used: new Set() });
  return `${lead}${field.name}:${field.value ? ` ${field.value}` : ''}`;
}

const childNode = (node: SchemaNode, name: string): SchemaNode | undefined =>
  node.properties && Object.hasOwn(node.properties, name) ? node.properties[name] : node.additionalProperties;
const knows = (frame: Frame, name: string): boolean =>
  Boolean(frame.node.properties && Object.hasOwn(frame.node.properties, name)) && !frame.used.has(name);

// The innermost object that still lacks the field; a map takes names nobody else wants.
function openObject(name: string, frames: Frame[]): Frame | undefined {
  let index = frames.findLastIndex((frame) => knows(frame, name));
  const last = frames.length - 1;
  if (index < 0 && frames[last]?.node.additionalProperties) index = last;
  if (index < 0) return undefined;
  frames.length = index + 1;
  return frames[index];
}

// A new entry of the innermost list whose entries have the field.
function openItem(name: string, frames: Frame[]): Frame | undefined {
  const index = frames.findLastIndex((frame) => {
    const fields = frame.node.items?.properties;
    return fields !== undefined && Object.hasOwn(fields, name);
  });
  const list = frames[index];
  if (!list?.node.items) return undefined;
  frames.length = index + 1;
  const item: Frame = { node: list.node.items, depth: list.depth + 1, used: new Set() };
  frames.push(item);
  return item;
}

function placeScalar(value: string, frames: Frame[]): string | undefined {
  const index = frames.findLastIndex((frame) => frame.node.items !== undefined && frame.node.items.properties === undefined);
  const list = frames[index];
  if (!list) return undefined;
  frames.length = index + 1;
  return `${'  '.repeat(list.depth)}- ${value}`;
}
