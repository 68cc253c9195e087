// Sets of field paths, as metadata.managedFields writes them (fieldsV1): "f:name" a field, "k:{…}" a list item by its keys, "v:…"
// a list item by its value, "." the thing itself.

import { isObject, stableStringify } from '@lateen/base';
import type { Schema } from '../schema/schema.ts';

/** `owned`: the path itself is in the set, not only something below it. */
export type FieldSet = { owned: boolean; children: Map<string, FieldSet> };

export const emptySet = (): FieldSet => ({ owned: false, children: new Map() });
export const isEmpty = (set: FieldSet): boolean => !set.owned && set.children.size === 0;

/** Reads fieldsV1; foreign shapes read as empty. */
export function parseFieldSet(fields: unknown): FieldSet {
  const set = emptySet();
  if (!isObject(fields)) return set;
  for (const [key, value] of Object.entries(fields)) {
    if (key === '.') set.owned = true;
    else set.children.set(key, parseChild(value));
  }
  return set;
}

function parseChild(value: unknown): FieldSet {
  const child = parseFieldSet(value);
  if (isEmpty(child)) child.owned = true;
  return child;
}

/** The inverse of `parseFieldSet`. */
export function formatFieldSet(set: FieldSet): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  if (set.owned && set.children.size > 0) fields['.'] = {};
  for (const key of [...set.children.keys()].sort()) fields[key] = formatFieldSet(set.children.get(key) as FieldSet);
  return fields;
}

/** The paths in both sets. */
export function intersect(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSet = { owned: a.owned && b.owned, children: new Map() };
  for (const [key, child] of a.children) {
    const other = b.children.get(key);
    const both = other && intersect(child, other);
    if (both && !isEmpty(both)) result.children.set(key, both);
  }
  return result;
}

/** The paths in either set. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSet = { owned: a.owned || b.owned, children: new Map(a.children) };
  for (const [key, child] of b.children) {
    const own = result.children.get(key);
    result.children.set(key, own ? union(own, child) : child);
  }
  return result;
}

/** The paths of `a` that are not in `b`. */
export function subtract(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSet = { owned: a.owned && !b.owned, children: new Map() };
  for (const [key, child] of a.children) {
    const other = b.children.get(key);
    const rest = other ? subtract(child, other) : child;
    if (!isEmpty(rest)) result.children.set(key, rest);
  }
  return result;
}

export const equalSets = (a: FieldSet, b: FieldSet): boolean => stableStringify(formatFieldSet(a)) === stableStringify(formatFieldSet(b));

/** Every path in the set as people read it, e.g. `.spec.containers[name="app"].image`. */
export function pathsOf(set: FieldSet, prefix = ''): string[] {
  const own = set.owned && prefix !== '' ? [prefix] : [];
  return [...own, ...[...set.children].flatMap(([key, child]) => pathsOf(child, `${prefix}${readable(key)}`))];
}

function readable(key: string): string {
  const rest = key.slice(2);
  if (key.startsWith('f:')) return `.${rest}`;
  if (key.startsWith('v:')) return `[=${rest}]`;
  const keys = Object.entries(JSON.parse(rest) as Record<string, unknown>);
  return `[${keys.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}]`;
}

/** How the parts of a value are addressed: by field, by item key or value; undefined for what is merged whole. */
export function partsOf(value: unknown, schema: Schema): Map<string, { value: unknown; schema: Schema }> | undefined {
  if (isObject(value)) {
    const rule = fieldsRule(schema);
    if (!rule) return undefined;
    return new Map(Object.entries(value).map(([name, inner]) => [`f:${name}`, { value: inner, schema: rule(name) }]));
  }
  if (!Array.isArray(value) || schema.type !== 'array' || schema.merge === 'atomic') return undefined;
  const { items, merge } = schema;
  return new Map(
    value.map((item) => [merge === 'set' ? `v:${JSON.stringify(item)}` : itemKey(item, merge), { value: item, schema: items }]),
  );
}

const RAW: Schema = { type: 'raw' };

function fieldsRule(schema: Schema): ((name: string) => Schema) | undefined {
  if ('atomic' in schema && schema.atomic) return undefined;
  if (schema.type === 'object') return (name) => schema.fields.get(name)?.schema ?? RAW;
  if (schema.type === 'map') return () => schema.items;
  return schema.type === 'raw' ? () => RAW : undefined;
}

// A key field that the item leaves out has its default; of all built-in keys only `protocol` has one.
export const itemKey = (item: unknown, keys: readonly string[]): string => {
  const fields = isObject(item) ? item : {};
  const pairs = [...keys].sort().map((key) => [key, fields[key] ?? (key === 'protocol' ? 'TCP' : null)]);
  return `k:${JSON.stringify(Object.fromEntries(pairs))}`;
};

/** The paths that a configuration names: its leaves, its keyed list items, and what it sets to empty. */
export function fieldSetOf(value: unknown, schema: Schema): FieldSet {
  const parts = partsOf(value, schema);
  const set = emptySet();
  if (!parts || parts.size === 0) {
    set.owned = true;
    return set;
  }
  for (const [key, part] of parts) {
    const child = fieldSetOf(part.value, part.schema);
    if (!key.startsWith('f:')) child.owned = true;
    set.children.set(key, child);
  }
  return set;
}
