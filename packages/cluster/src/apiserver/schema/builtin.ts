// Parses the generated table of built-in types, each type once and when first asked for.

import { ROOT_TYPES, TYPE_LINES } from './gen/types.ts';
import type { Field, ObjectSchema, Scalar, Schema } from './schema.ts';

const SCALARS = new Set([
  ...['string', 'bool', 'int32', 'int64', 'number', 'bytes', 'quantity', 'intOrString'],
  ...['time', 'microTime', 'duration', 'raw'],
]);
const parsed = new Map<string, ObjectSchema>();

/** The schema of a built-in kind. @throws Error for a kind that is not in the table (a programming error) */
export function builtinSchema(apiVersion: string, kind: string): ObjectSchema {
  const type = ROOT_TYPES[`${apiVersion}/${kind}`];
  if (type === undefined) throw new Error(`no built-in type for ${apiVersion} ${kind}`);
  return namedSchema(type);
}

/** A type of the table by its name, e.g. "meta.v1.ObjectMeta". */
export function namedSchema(name: string): ObjectSchema {
  const known = parsed.get(name);
  if (known) return known;
  const line = TYPE_LINES[name];
  if (line === undefined) throw new Error(`no built-in type ${name}`);
  const fields = new Map<string, Field>();
  const inlined: { number: number; schema: Schema }[] = [];
  const schema: ObjectSchema = { type: 'object', name, fields, inlined, open: false, atomic: false };
  parsed.set(name, schema);
  for (const text of line.split(' ').filter((part) => part !== '')) {
    const field = parseField(text);
    if (field.name !== '-') {
      fields.set(field.name, field);
      continue;
    }
    inlined.push({ number: field.number, schema: field.schema });
    for (const inner of (field.schema as ObjectSchema).fields.values()) fields.set(inner.name, inner);
  }
  return schema;
}

// `jsonName:protobufNumber:type` and its marks; see generate/main.go.
function parseField(text: string): Field {
  const [name, number, rest] = text.split(':') as [string, string, string];
  const [, type, marks] = /^([^?=~^%]+)(.*)$/.exec(rest) as unknown as [string, string, string];
  const keys = /=([^~^%]+)/.exec(marks)?.[1];
  return {
    name,
    number: Number(number),
    required: !marks.startsWith('?') && name !== 'metadata' && name !== 'status',
    schema: schemaOf(type, { keys, atomic: marks.includes('%') }),
  };
}

function schemaOf(type: string, { keys, atomic }: { keys: string | undefined; atomic: boolean }): Schema {
  if (type === '[]string' && keys === undefined) return { type: 'array', items: { type: 'string' }, merge: 'atomic' };
  if (type.startsWith('[]')) {
    const items = schemaOf(type.slice(2), { keys: undefined, atomic: false });
    return { type: 'array', items, merge: keys === undefined ? 'atomic' : keys === '*' ? 'set' : keys.split(',') };
  }
  if (type.startsWith('{}')) return { type: 'map', items: schemaOf(type.slice(2), { keys: undefined, atomic: false }), atomic };
  if (type === 'jsonSchema') return { type: 'raw', atomic: true };
  if (type === 'extraValue') return { type: 'array', items: { type: 'string' }, merge: 'atomic' };
  if (SCALARS.has(type)) return { type: type as Scalar };
  const named = namedSchema(type);
  return atomic ? { ...named, atomic: true } : named;
}
