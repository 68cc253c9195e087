// Merging an applied configuration into an object, and taking out what its manager gave up.

import { isObject } from '@lateen/base';
import type { Schema } from '../schema/schema.ts';
import { type FieldSet, isEmpty, itemKey, partsOf } from './field-set.ts';

/** The live value with everything the configuration says; nothing is removed. Shares structure with both. */
export function mergeValue(live: unknown, config: unknown, schema: Schema): unknown {
  const parts = partsOf(config, schema);
  if (!parts || !partsOf(live, schema)) return config;
  if (isObject(live) && isObject(config)) {
    const merged: Record<string, unknown> = { ...live };
    for (const [key, part] of parts) merged[key.slice(2)] = mergeValue(live[key.slice(2)], part.value, part.schema);
    return merged;
  }
  const pending = new Map(parts);
  const merged = [...(partsOf(live, schema) ?? [])].map(([key, part]) => {
    const wanted = pending.get(key);
    pending.delete(key);
    return wanted ? mergeValue(part.value, wanted.value, part.schema) : part.value;
  });
  return [...merged, ...[...pending.values()].map((part) => part.value)];
}

/**
 * Removes the paths in `gone` from the value unless `kept` has them or something below them. Containers that become
 * empty go too when `kept` does not have them. Returns undefined when nothing is left.
 */
export function removePaths(value: unknown, schema: Schema, { gone, kept }: { gone: FieldSet; kept: FieldSet }): unknown {
  if (gone.owned && isEmpty(kept)) return undefined;
  const parts = partsOf(value, schema);
  if (!parts || gone.children.size === 0) return value;
  const survivors: [string, unknown][] = [];
  for (const [key, part] of parts) {
    const inner = gone.children.get(key);
    const rest = inner
      ? removePaths(part.value, part.schema, { gone: inner, kept: kept.children.get(key) ?? { owned: false, children: new Map() } })
      : part.value;
    if (rest !== undefined) survivors.push([key, rest]);
  }
  if (survivors.length === 0 && parts.size > 0 && !kept.owned) return undefined;
  return Array.isArray(value)
    ? survivors.map(([, item]) => item)
    : Object.fromEntries(survivors.map(([key, item]) => [key.slice(2), item]));
}

/** Two items of a keyed list with the same keys; its path, or undefined. */
export function findDuplicateItem(value: unknown, schema: Schema, path = ''): string | undefined {
  if (isObject(value)) {
    for (const [key, part] of partsOf(value, schema) ?? []) {
      const found = findDuplicateItem(part.value, part.schema, `${path}.${key.slice(2)}`);
      if (found !== undefined) return found;
    }
  }
  if (!Array.isArray(value) || schema.type !== 'array' || schema.merge === 'atomic') return undefined;
  const { merge, items } = schema;
  const keys = value.map((item) => (merge === 'set' ? JSON.stringify(item) : itemKey(item, merge)));
  const twice = keys.findIndex((key, i) => keys.indexOf(key) !== i);
  if (twice >= 0) return `${path}[${twice}]`;
  for (const item of value) {
    const found = findDuplicateItem(item, items, `${path}[]`);
    if (found !== undefined) return found;
  }
  return undefined;
}
