// What differs between two states of an object, as field sets.

import { jsonEqual } from '@lateen/base';
import type { Schema } from '../schema/schema.ts';
import { emptySet, type FieldSet, fieldSetOf, isEmpty, partsOf } from './field-set.ts';

export type Comparison = { added: FieldSet; modified: FieldSet; removed: FieldSet };

/** Compares by the schema's granularity: what merges whole differs whole. */
export function compare(before: unknown, after: unknown, schema: Schema): Comparison {
  const none = (): Comparison => ({ added: emptySet(), modified: emptySet(), removed: emptySet() });
  if (jsonEqual(before, after)) return none();
  if (before === undefined || before === null) return { ...none(), added: wholeOf(after, schema) };
  if (after === undefined || after === null) return { ...none(), removed: wholeOf(before, schema) };
  const left = partsOf(before, schema);
  const right = partsOf(after, schema);
  if (!left || !right) return { ...none(), modified: { owned: true, children: new Map() } };
  const result = none();
  for (const key of new Set([...left.keys(), ...right.keys()])) {
    const inner = compare(left.get(key)?.value, right.get(key)?.value, (left.get(key) ?? right.get(key))?.schema as Schema);
    for (const kind of ['added', 'modified', 'removed'] as const) {
      if (!isEmpty(inner[kind])) result[kind].children.set(key, inner[kind]);
    }
  }
  return result;
}

// A map or list item that comes or goes is itself part of the difference, not only its leaves.
function wholeOf(value: unknown, schema: Schema): FieldSet {
  const set = fieldSetOf(value, schema);
  const parts = partsOf(value, schema);
  if (schema.type === 'map') set.owned = true;
  for (const [key, part] of parts ?? []) {
    const child = wholeOf(part.value, part.schema);
    if (!key.startsWith('f:')) child.owned = true;
    set.children.set(key, child);
  }
  return set;
}
