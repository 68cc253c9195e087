// Validation of a custom resource against its OpenAPI v3 schema, in the API server's words. `x-kubernetes-validations` (CEL) is
// stored but not evaluated.

import { compileRegex, isObject, jsonEqual, type Regex } from '@lateen/base';
import type { JsonSchemaProps } from '@lateen/kube/types';
import type { FieldError } from '../status.ts';
import { hasFormat } from './format.ts';

/** All violations, at most 50. */
export function validateSchema(object: Record<string, unknown>, schema: JsonSchemaProps): FieldError[] {
  const errors: FieldError[] = [];
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    // metadata has its own rules; the schema may only narrow its name.
    if (name !== 'metadata' && name !== 'apiVersion' && name !== 'kind' && Object.hasOwn(object, name))
      visit(object[name], inner, { path: name, errors });
  }
  checkRequired(object, schema, { path: '', errors });
  for (const one of schema.allOf ?? []) visit(object, one, { path: '', errors });
  if (schema.oneOf || schema.anyOf || schema.not) checkCombinators(object, schema, { path: '', errors });
  return errors.slice(0, 50);
}

type At = { path: string; errors: FieldError[] };

function visit(value: unknown, schema: JsonSchemaProps, at: At): void {
  if (at.errors.length >= 50) return;
  if (value === null) {
    if (!schema.nullable && schema.type) typeError(value, schema.type, at);
    return;
  }
  const type = schema['x-kubernetes-int-or-string'] ? undefined : schema.type;
  if (schema['x-kubernetes-int-or-string'] && typeof value !== 'string' && !Number.isInteger(value))
    return typeError(value, 'integer,string', at);
  if (type && !isType(value, type)) return typeError(value, type, at);
  if (schema.enum && !schema.enum.some((one) => jsonEqual(one, value))) {
    at.errors.push({
      reason: 'NotSupported',
      field: at.path,
      value,
      message: `supported values: ${schema.enum.map((one) => JSON.stringify(one)).join(', ')}`,
    });
  }
  if (typeof value === 'string') checkString(value, schema, at);
  if (typeof value === 'number') checkNumber(value, schema, at);
  if (Array.isArray(value)) checkArray(value, schema, at);
  if (isObject(value)) checkObject(value, schema, at);
  for (const one of schema.allOf ?? []) visit(value, one, at);
  checkCombinators(value, schema, at);
}

function isType(value: unknown, type: string): boolean {
  switch (type) {
    case 'object':
      return isObject(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case 'number':
      return typeof value === 'number';
    default:
      return typeof value === type;
  }
}

const typeName = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value;

function typeError(value: unknown, type: string, { path, errors }: At): void {
  const name = typeName(value);
  errors.push({
    reason: 'TypeInvalid',
    field: path,
    value: name,
    message: `${path} in body must be of type ${type}: ${JSON.stringify(name)}`,
  });
}

function fault(value: unknown, message: string, { path, errors }: At): void {
  errors.push({ reason: 'Invalid', field: path, value, message: `${path} in body ${message}` });
}

function checkString(value: string, schema: JsonSchemaProps, at: At): void {
  const length = schema.maxLength === undefined && schema.minLength === undefined ? 0 : [...value].length;
  if (schema.maxLength !== undefined && length > schema.maxLength) {
    at.errors.push({ reason: 'TooLong', field: at.path, message: `may not be more than ${schema.maxLength} bytes` });
  }
  if (schema.minLength !== undefined && length < schema.minLength) fault(value, `should be at least ${schema.minLength} chars long`, at);
  if (schema.pattern !== undefined && !compiled(schema.pattern)?.matchesPartly(value)) fault(value, `should match '${schema.pattern}'`, at);
  if (schema.format !== undefined && !hasFormat(value, schema.format))
    fault(value, `must be of type ${schema.format}: ${JSON.stringify(value)}`, at);
}

function checkNumber(value: number, schema: JsonSchemaProps, at: At): void {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum)) {
    fault(value, `should be greater than ${exclusiveMinimum ? '' : 'or equal to '}${minimum}`, at);
  }
  if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum)) {
    fault(value, `should be less than ${exclusiveMaximum ? '' : 'or equal to '}${maximum}`, at);
  }
  if (multipleOf !== undefined && value % multipleOf !== 0) fault(value, `should be a multiple of ${multipleOf}`, at);
}

function checkArray(value: unknown[], schema: JsonSchemaProps, at: At): void {
  if (schema.maxItems !== undefined && value.length > schema.maxItems) {
    at.errors.push({ reason: 'TooMany', field: at.path, message: `must have at most ${schema.maxItems} items` });
  }
  if (schema.minItems !== undefined && value.length < schema.minItems)
    fault(value.length, `should have at least ${schema.minItems} items`, at);
  const { items } = schema;
  if (items) for (const [i, item] of value.entries()) visit(item, items, { ...at, path: `${at.path}[${i}]` });
  checkUnique(value, schema, at);
}

function checkUnique(value: unknown[], schema: JsonSchemaProps, at: At): void {
  const listType = schema['x-kubernetes-list-type'];
  if (listType !== 'set' && listType !== 'map') return;
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const seen = new Set<string>();
  value.forEach((item, i) => {
    const identity = listType === 'map' && isObject(item) ? Object.fromEntries(keys.map((key) => [key, item[key]])) : item;
    const text = JSON.stringify(identity);
    if (seen.has(text)) at.errors.push({ reason: 'Duplicate', field: `${at.path}[${i}]`, value: identity });
    seen.add(text);
  });
}

function checkObject(value: Record<string, unknown>, schema: JsonSchemaProps, at: At): void {
  const count = Object.keys(value).length;
  if (schema.maxProperties !== undefined && count > schema.maxProperties) {
    at.errors.push({ reason: 'TooMany', field: at.path, message: `must have at most ${schema.maxProperties} items` });
  }
  if (schema.minProperties !== undefined && count < schema.minProperties)
    fault(count, `should have at least ${schema.minProperties} properties`, at);
  checkRequired(value, schema, at);
  for (const [name, item] of Object.entries(value)) {
    const inner = Object.hasOwn(schema.properties ?? {}, name) ? schema.properties?.[name] : undefined;
    const rest = isObject(schema.additionalProperties) ? (schema.additionalProperties as JsonSchemaProps) : undefined;
    const rule = inner ?? rest;
    if (rule) visit(item, rule, { ...at, path: at.path === '' ? name : `${at.path}.${name}` });
  }
}

function checkRequired(value: unknown, schema: JsonSchemaProps, { path, errors }: At): void {
  if (!isObject(value)) return;
  for (const name of schema.required ?? []) {
    if (!Object.hasOwn(value, name)) errors.push({ reason: 'Required', field: path === '' ? name : `${path}.${name}` });
  }
}

// The branches of oneOf, anyOf and not are tried silently; Kubernetes reports only that none (or too many) fit.
function checkCombinators(value: unknown, schema: JsonSchemaProps, at: At): void {
  const fits = (branch: JsonSchemaProps): boolean => {
    const errors: FieldError[] = [];
    visit(value, branch, { path: at.path, errors });
    return errors.length === 0;
  };
  const where = at.path === '' ? '<nil>' : at.path;
  const add = (message: string) =>
    at.errors.push({
      reason: 'Invalid',
      field: where,
      value: isObject(value) ? '' : value,
      message: `${JSON.stringify(at.path)} ${message}`,
    });
  if (schema.anyOf && !schema.anyOf.some(fits)) add('must validate at least one schema (anyOf)');
  if (schema.oneOf) {
    const matching = schema.oneOf.filter(fits).length;
    if (matching !== 1) add(`must validate one and only one schema (oneOf). Found ${matching === 0 ? 'none' : matching} valid`);
  }
  if (schema.not && fits(schema.not)) add('must not validate the schema (not)');
}

const patterns = new Map<string, Regex | undefined>();
function compiled(pattern: string): Regex | undefined {
  if (!patterns.has(pattern)) {
    const result = compileRegex(pattern);
    if (patterns.size > 2000) patterns.clear();
    patterns.set(pattern, result.ok ? result.value : undefined);
  }
  return patterns.get(pattern);
}
