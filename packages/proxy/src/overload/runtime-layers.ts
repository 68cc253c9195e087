// Envoy's runtime: keys with values in layers, later layers over earlier ones. This proxy reads connection limits from it.

import type { Json, JsonObject } from '@lateen/base';
import { isObject } from '@lateen/base';

export type RuntimeLayer = { readonly name: string; readonly values: Map<string, string>; readonly isAdmin: boolean };

export class RuntimeLayers {
  readonly layers: readonly RuntimeLayer[];
  /** How often keys were changed. */
  changes = 0;

  constructor(layers: readonly RuntimeLayer[]) {
    this.layers = layers;
  }

  /** The value of the last layer that has the key. */
  value(key: string): string | undefined {
    return this.layers.findLast(({ values }) => values.has(key))?.values.get(key);
  }

  number(key: string): number | undefined {
    const value = this.value(key);
    const number = value === undefined || value === '' ? Number.NaN : Number(value);
    return Number.isFinite(number) ? number : undefined;
  }

  /** Sets keys in the admin layer (an empty value removes); false when there is none. */
  modify(changes: Iterable<readonly [string, string]>): boolean {
    const admin = this.layers.findLast(({ isAdmin }) => isAdmin);
    if (!admin) return false;
    this.changes++;
    for (const [key, value] of changes) {
      if (value === '') admin.values.delete(key);
      else admin.values.set(key, value);
    }
    return true;
  }

  /** As /runtime shows it. */
  toJson(): JsonObject {
    const keys = [...new Set(this.layers.flatMap(({ values }) => [...values.keys()]))].sort();
    const entries = keys.map((key): [string, Json] => [
      key,
      { final_value: this.value(key) ?? '', layer_values: this.layers.map(({ values }) => values.get(key) ?? '') },
    ]);
    return { layers: this.layers.map(({ name }) => name), entries: Object.fromEntries(entries) };
  }
}

/** The flat keys of a layer written as nested objects: {a: {b: 1}} is "a.b" = "1". */
export function flattenLayer(fields: JsonObject, prefix = ''): Map<string, string> {
  const flat = new Map<string, string>();
  for (const [key, value] of Object.entries(fields)) {
    const name = prefix + key;
    // A fractional percent is one value, as Envoy keeps it.
    if (isObject(value) && !('numerator' in value)) for (const [k, v] of flattenLayer(value as JsonObject, `${name}.`)) flat.set(k, v);
    else flat.set(name, typeof value === 'string' ? value : JSON.stringify(value));
  }
  return flat;
}

export const NO_RUNTIME_LAYERS: RuntimeLayers = new RuntimeLayers([]);

export const listenerLimitKey = (listener: string): string => `envoy.resource_limits.listener.${listener}.connection_limit`;
export const GLOBAL_LIMIT_KEY = 'overload.global_downstream_max_connections';
