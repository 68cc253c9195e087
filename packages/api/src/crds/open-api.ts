// Our schema nodes as the OpenAPI v3 subset that apiextensions accepts as structural.

import type { OneOf, SchemaNode } from '../schema/build.ts';

/** Structural schema, as JSON. */
export type OpenApiSchema = { [key: string]: unknown };

const DURATION_MS_RULE = { rule: "duration(self) >= duration('1ms')", message: 'must be a valid duration greater than 1ms' };

/** Keys that go over unchanged. */
const KEPT = [
  'type',
  'description',
  'format',
  'default',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
  'pattern',
  'x-kubernetes-preserve-unknown-fields',
] as const;

/** A copy without our own keywords: durations become strings with a rule, oneofs become alternatives. */
export function toOpenApi(node: SchemaNode): OpenApiSchema {
  if (node['x-kubernetes-int-or-string']) {
    return { ...describe(node), anyOf: [{ type: 'integer' }, { type: 'string' }], 'x-kubernetes-int-or-string': true };
  }
  const schema: OpenApiSchema = {};
  for (const key of KEPT) {
    const value = node[key];
    if (value !== undefined && value !== '' && !(key === 'format' && value === 'duration')) schema[key] = value;
  }
  if (node.enum) schema.enum = [...node.enum];
  if (node.properties)
    schema.properties = Object.fromEntries(Object.entries(node.properties).map(([name, child]) => [name, toOpenApi(child)]));
  if (node.required?.length) schema.required = [...node.required];
  if (node.additionalProperties) schema.additionalProperties = toOpenApi(node.additionalProperties);
  if (node.items) schema.items = toOpenApi(node.items);
  if (node.listMapKey) Object.assign(schema, { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': [node.listMapKey] });
  const groups = (node.oneOfFields ?? []).map((group) => ({ oneOf: oneOfAlternatives(group) }));
  if (groups.length === 1) Object.assign(schema, groups[0]);
  else if (groups.length > 1) schema.allOf = groups;
  const rules = [...(node['x-kubernetes-validations'] ?? []), ...durationRules(node)];
  if (rules.length > 0) schema['x-kubernetes-validations'] = rules.map((rule) => ({ ...rule }));
  return schema;
}

const describe = (node: SchemaNode): OpenApiSchema => (node.description ? { description: node.description } : {});

// Rules are priced by the API server for the largest object that fits a request, so only what JSON Schema cannot say is one.
function durationRules(node: SchemaNode): readonly { rule: string; message: string }[] {
  return node.format === 'duration' && node.minDurationMs !== 0 ? [DURATION_MS_RULE] : [];
}

// None of the fields or one of them, in the form structural schemas allow.
function oneOfAlternatives({ fields }: OneOf): OpenApiSchema[] {
  const each = fields.map((field) => ({ required: [field] }));
  return [{ not: { anyOf: each } }, ...each];
}
