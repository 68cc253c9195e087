type Fields = Record<string, unknown>;

/** Sets what is absent. */
export function fill(target: Fields, defaults: Fields): void {
  for (const [key, value] of Object.entries(defaults)) if (target[key] === undefined || target[key] === null) target[key] = value;
}

/** The field as an object, made when absent. */
export function section(parent: Fields, name: string): Fields {
  const value = parent[name];
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  const made: Fields = {};
  parent[name] = made;
  return made;
}
