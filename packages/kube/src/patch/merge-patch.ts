// JSON Merge Patch, RFC 7386. Pure: the target is not changed, unchanged parts are shared.

import { isObject, jsonEqual } from '@lateen/base';

/** Applies a merge patch: null deletes, objects merge, anything else replaces. "__proto__" keys are ignored. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (key === '__proto__') continue;
    if (value === null) delete merged[key];
    else merged[key] = applyMergePatch(Object.hasOwn(merged, key) ? merged[key] : undefined, value);
  }
  return merged;
}

/** The smallest merge patch from `before` to `after`. A null inside `after` cannot be expressed and reads as absent. */
export function createMergePatch(before: Record<string, unknown>, after: Record<string, unknown>): Record<string, unknown> {
  const patch: Record<string, unknown> = {};
  for (const key of Object.keys(before)) if (after[key] === undefined && before[key] !== undefined) patch[key] = null;
  for (const [key, value] of Object.entries(after)) {
    if (key === '__proto__' || value === undefined) continue;
    const old = Object.hasOwn(before, key) ? before[key] : undefined;
    if (isObject(old) && isObject(value)) {
      const inner = createMergePatch(old, value);
      if (Object.keys(inner).length > 0) patch[key] = inner;
    } else if (!jsonEqual(old, value)) patch[key] = value;
  }
  return patch;
}
