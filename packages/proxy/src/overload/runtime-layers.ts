// Envoy's runtime: keys with values in layers, later layers over earlier ones. This proxy reads connection limits from
// it, shares of requests (routes, mirrors, filters), weights of clusters and what access log filters compare with.

import type { Json, JsonObject } from '@lateen/base';
import { isObject } from '@lateen/base';

export type RuntimeLayer = { readonly name: string; readonly values: Map<string, string>; readonly isAdmin: boolean };

export class RuntimeLayers {
  readonly layers: readonly RuntimeLayer[];
  /** How often keys were changed. */
  changes = 0;
  /** Called after each change. */
  onChange: () => void = () => {};

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

  /** As Envoy, without what follows the point. */
  integer(key: string): number | undefined {
    const number = this.number(key);
    return number !== undefined && number >= 0 ? Math.floor(number) : undefined;
  }

  flag(key: string): boolean | undefined {
    const value = this.value(key);
    return value === 'true' || value === 'false' ? value === 'true' : undefined;
  }

  /** A share from 0 to 1: a fractional percent, or a number of percents. */
  share(key: string): number | undefined {
    const percents = this.integer(key);
    if (percents !== undefined) return Math.min(1, percents / 100);
    const value = this.value(key);
    return value?.startsWith('{') ? fractionIn(value) : undefined;
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
    this.onChange();
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

const DENOMINATORS: Readonly<Record<string, number>> = { HUNDRED: 100, TEN_THOUSAND: 10_000, MILLION: 1_000_000 };

function fractionIn(json: string): number | undefined {
  const { numerator, denominator = 'HUNDRED' } = JSON.parse(json) as { numerator?: unknown; denominator?: unknown };
  const whole = typeof denominator === 'string' ? DENOMINATORS[denominator] : undefined;
  return typeof numerator === 'number' && whole !== undefined ? Math.min(1, numerator / whole) : undefined;
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
