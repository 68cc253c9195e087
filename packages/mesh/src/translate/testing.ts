// For tests of translations.

/** A message as text; packed configurations are bytes, whose strings are what a test looks for. */
export function textOf(message: unknown): string {
  return JSON.stringify(message, (_key, value: unknown) => {
    if (typeof value === 'bigint') return String(value);
    return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value;
  });
}
