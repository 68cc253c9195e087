// Defaults of a structural schema, filled in where the parent exists.

import { isObject } from '@lateen/base';
import type { JsonSchemaProps } from '@lateen/kube/types';

/** Fills in defaults in place. */
export function applySchemaDefaults(value: unknown, schema: JsonSchemaProps): void {
  if (Array.isArray(value)) {
    if (schema.items) for (const item of value) applySchemaDefaults(item, schema.items);
    return;
  }
  if (!isObject(value)) return;
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    const present = Object.hasOwn(value, name);
    // An explicit null counts as absent unless the field is nullable.
    const isNull = present && value[name] === null && !inner.nullable;
    if ((!present || isNull) && inner.default !== undefined) value[name] = structuredClone(inner.default);
    else if (isNull) delete value[name];
    else if (present) applySchemaDefaults(value[name], inner);
  }
  if (isObject(schema.additionalProperties)) {
    for (const name of Object.keys(value)) {
      if (!Object.hasOwn(schema.properties ?? {}, name)) applySchemaDefaults(value[name], schema.additionalProperties as JsonSchemaProps);
    }
  }
}
