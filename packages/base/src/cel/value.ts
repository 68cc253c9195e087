// Values of CEL (Common Expression Language), as far as expressions over requests need them.

/** What an expression comes to when something is not there or does not fit; `||`, `&&` and `has` can do without it. */
export const FAILED: unique symbol = Symbol('failed');

/** Something with named fields, each made when it is asked for. */
export class CelStruct {
  private readonly read: (field: string) => CelResult;

  constructor(read: (field: string) => CelResult) {
    this.read = read;
  }

  field(name: string): CelResult {
    return this.read(name);
  }
}

/** Whole numbers are bigints, others numbers. */
export type CelValue = null | boolean | bigint | number | string | readonly CelValue[] | CelStruct;
export type CelResult = CelValue | typeof FAILED;

export const isList = (value: CelResult): value is readonly CelValue[] => Array.isArray(value);

/** A plain value, e.g. of metadata, as CEL's. */
export function celOf(value: unknown): CelResult {
  if (value === undefined) return FAILED;
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number') return value;
  if (Array.isArray(value)) return value.map((item) => celOf(item) as CelValue);
  if (value instanceof Map) return new CelStruct((field) => celOf(value.get(field)));
  const fields = value as Record<string, unknown>;
  return new CelStruct((field) => (Object.hasOwn(fields, field) ? celOf(fields[field]) : FAILED));
}

export function isEqual(a: CelValue, b: CelValue): boolean {
  if (isList(a) && isList(b)) return a.length === b.length && a.every((item, i) => isEqual(item, b[i] as CelValue));
  // biome-ignore lint/suspicious/noDoubleEquals: 1 and 1.0 are equal across CEL's number types.
  if (isNumber(a) && isNumber(b)) return a == b;
  return a === b;
}

export const isNumber = (value: CelResult): value is bigint | number => typeof value === 'bigint' || typeof value === 'number';

/** As `string()` and labels write it; undefined for what has no text. */
export function celText(value: CelResult): string | undefined {
  if (typeof value === 'string') return value;
  return isNumber(value) || typeof value === 'boolean' ? String(value) : undefined;
}
