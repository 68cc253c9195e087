// A custom resource's OpenAPI v3 schema as a `Schema`; what it says about values (ranges, patterns) is checked elsewhere.

import type { JsonSchemaProps } from '@lateen/kube/types';
import { namedSchema } from './builtin.ts';
import type { Field, ObjectSchema, Schema } from './schema.ts';

/** The schema of a whole custom resource; without one, everything is allowed. */
export function customSchema(openApi: JsonSchemaProps | undefined): ObjectSchema {
  const spec = openApi ? convert(openApi) : undefined;
  const base: ObjectSchema =
    spec?.type === 'object' ? spec : { type: 'object', name: undefined, fields: new Map(), inlined: [], open: true, atomic: false };
  const fields = new Map(base.fields);
  const add = (name: string, schema: Schema) => fields.set(name, { name, schema, number: 0, required: false });
  add('apiVersion', { type: 'string' });
  add('kind', { type: 'string' });
  add('metadata', namedSchema('meta.v1.ObjectMeta'));
  return { ...base, fields };
}

function convert(props: JsonSchemaProps): Schema {
  const open = props['x-kubernetes-preserve-unknown-fields'] === true;
  if (props['x-kubernetes-int-or-string']) return { type: 'intOrString' };
  switch (props.type) {
    case 'object':
      return convertObject(props, open);
    case 'array':
      return { type: 'array', items: props.items ? convert(props.items) : { type: 'raw' }, merge: mergeOf(props) };
    case 'string':
      return { type: 'string' };
    case 'boolean':
      return { type: 'bool' };
    case 'integer':
      return { type: 'int64' };
    case 'number':
      return { type: 'number' };
    default:
      return props.properties ? convertObject(props, open) : { type: 'raw' };
  }
}

function convertObject(props: JsonSchemaProps, open: boolean): Schema {
  const atomic = (props as { 'x-kubernetes-map-type'?: string })['x-kubernetes-map-type'] === 'atomic';
  if (!props.properties && typeof props.additionalProperties === 'object') {
    return { type: 'map', items: convert(props.additionalProperties), atomic };
  }
  if (!props.properties && props.additionalProperties === true) return { type: 'raw', atomic };
  const fields = new Map<string, Field>();
  for (const [name, inner] of Object.entries(props.properties ?? {})) {
    fields.set(name, { name, schema: convert(inner), number: 0, required: props.required?.includes(name) ?? false });
  }
  if (props['x-kubernetes-embedded-resource']) {
    for (const name of ['apiVersion', 'kind']) fields.set(name, { name, schema: { type: 'string' }, number: 0, required: false });
    fields.set('metadata', { name: 'metadata', schema: namedSchema('meta.v1.ObjectMeta'), number: 0, required: false });
  }
  return { type: 'object', name: undefined, fields, inlined: [], open, atomic };
}

function mergeOf(props: JsonSchemaProps): 'atomic' | 'set' | readonly string[] {
  if (props['x-kubernetes-list-type'] === 'map') return props['x-kubernetes-list-map-keys'] ?? 'atomic';
  return props['x-kubernetes-list-type'] === 'set' ? 'set' : 'atomic';
}
