// Checks a value against a schema. Messages follow Kubernetes' wording for CRDs, paths name the field, and unknown fields
// say what was probably meant.

import { compileRegex, isObject, type Regex } from '@lateen/base';
import type { Report } from '../findings/report.ts';
import { durationProblem } from '../validate/values.ts';
import type { SchemaNode } from './build.ts';
import { closestName, placesBelow } from './suggest.ts';

type Context = {
  report: Report;
  /** Schemas from the root to the parent of the value; where a misplaced field may belong. */
  ancestors: { node: SchemaNode; path: string }[];
};

const MAX_SHOWN = 60;
const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'null';
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 3)}...` : text;
};
const typeName = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);

/** Reports every problem of `value`; true when all types fit, so that typed code may read it. Absent and null fields are the same. */
export function checkSchema(node: SchemaNode, value: unknown, options: { path: string; report: Report }): boolean {
  return check(node, value, options.path, { report: options.report, ancestors: [] });
}

function check(node: SchemaNode, value: unknown, path: string, context: Context): boolean {
  const { report } = context;
  if (node['x-kubernetes-int-or-string']) {
    const fits = typeof value === 'string' || Number.isInteger(value);
    if (!fits) report.error(path, `Invalid value: ${show(value)}: must be an integer or a string`);
    return fits;
  }
  switch (node.type) {
    case 'object':
      return checkObject(node, value, path, context);
    case 'array':
      return checkArray(node, value, path, context);
    case 'string':
      return checkString(node, value, path, report);
    case 'boolean':
      if (typeof value === 'boolean') return true;
      report.error(path, `Invalid value: ${show(value)}: must be of type boolean, not ${typeName(value)}`, booleanFix(value));
      return false;
    default:
      return checkNumber(node, value, path, report);
  }
}

const booleanFix = (value: unknown): string | undefined =>
  typeof value === 'string'
    ? `Write true or false without quotes${/^(yes|no|on|off)$/i.test(value) ? '; yes, no, on and off are text' : ''}.`
    : undefined;

function checkObject(node: SchemaNode, value: unknown, path: string, context: Context): boolean {
  const { report } = context;
  if (!isObject(value)) {
    const fix = Array.isArray(value) ? 'Remove the "-" in front of its fields: it is one object, not a list.' : undefined;
    report.error(path, `Invalid value: ${show(value)}: ${path} must be of type object, not ${typeName(value)}`, fix);
    return false;
  }
  if (node['x-kubernetes-preserve-unknown-fields']) return true;
  if (node.additionalProperties) return checkMap(node, value, path, context);
  const inner: Context = { report, ancestors: [...context.ancestors, { node, path }] };
  let fits = true;
  for (const [field, child] of Object.entries(value)) {
    const schema = node.properties && Object.hasOwn(node.properties, field) ? node.properties[field] : undefined;
    if (!schema) {
      if (child !== null) unknownField(node, field, path, inner);
    } else if (child !== null && !check(schema, child, `${path}.${field}`, inner)) fits = false;
  }
  for (const field of node.required ?? []) {
    if (value[field] === undefined || value[field] === null)
      report.error(`${path}.${field}`, `Required value: ${path}.${field} is missing`);
  }
  for (const { fields } of node.oneOfFields ?? []) {
    const set = fields.filter((field) => value[field] !== undefined && value[field] !== null);
    if (set.length > 1) report.error(path, `only one of ${set.join(', ')} can be set`);
  }
  return fits;
}

function checkMap(node: SchemaNode, value: Record<string, unknown>, path: string, context: Context): boolean {
  let fits = true;
  const size = Object.keys(value).length;
  if (node.maxProperties !== undefined && size > node.maxProperties)
    context.report.error(path, `must have at most ${node.maxProperties} entries`);
  if (node.minProperties !== undefined && size < node.minProperties)
    context.report.error(path, `${path} should have at least ${node.minProperties} entries`);
  for (const [key, child] of Object.entries(value)) {
    const place = `${path}[${key.slice(0, MAX_SHOWN)}]`;
    if (child === null) {
      context.report.error(
        place,
        `${place} cannot be null`,
        node.additionalProperties?.type === 'object' ? 'Write {} for a condition that asks for presence.' : undefined,
      );
      fits = false;
    } else if (!check(node.additionalProperties as SchemaNode, child, place, context)) fits = false;
  }
  return fits;
}

function checkArray(node: SchemaNode, value: unknown, path: string, context: Context): boolean {
  const { report } = context;
  if (!Array.isArray(value)) {
    report.error(
      path,
      `Invalid value: ${show(value)}: ${path} must be of type array, not ${typeName(value)}`,
      'It is a list: put "- " in front of each entry.',
    );
    return false;
  }
  if (node.minItems !== undefined && value.length < node.minItems) report.error(path, `must have at least ${node.minItems} items`);
  if (node.maxItems !== undefined && value.length > node.maxItems) report.error(path, `must have at most ${node.maxItems} items`);
  let fits = true;
  for (const [i, item] of value.entries()) if (!check(node.items ?? {}, item, `${path}[${i}]`, context)) fits = false;
  return fits;
}

const patterns = new Map<string, Regex>();

function matchesPattern(pattern: string, value: string): boolean {
  let regex = patterns.get(pattern);
  if (!regex) {
    const compiled = compileRegex(pattern);
    if (!compiled.ok) throw new Error(`schema pattern ${pattern}: ${compiled.error}`);
    regex = compiled.value;
    patterns.set(pattern, regex);
  }
  return regex.matchesPartly(value);
}

function checkString(node: SchemaNode, value: unknown, path: string, report: Report): boolean {
  if (typeof value !== 'string') {
    const scalar = typeof value === 'number' || typeof value === 'boolean';
    const fix =
      node.format === 'duration' && typeof value === 'number' ? `Write the unit: "${value}s".` : `Put it in quotes: "${String(value)}".`;
    report.error(path, `Invalid value: ${show(value)}: ${path} must be of type string, not ${typeName(value)}`, scalar ? fix : undefined);
    return false;
  }
  if (node.enum && !node.enum.includes(value)) {
    const guess = closestName(value, node.enum);
    report.error(path, `Unsupported value: ${show(value)}: supported values: ${node.enum.join(', ')}`, guess && `Did you mean ${guess}?`);
  }
  if (node.format === 'duration') report.check(path, durationProblem(value, node.minDurationMs === 0));
  if (node.minLength !== undefined && value.length < node.minLength)
    report.error(path, `${path} should be at least ${node.minLength} chars long`);
  if (node.maxLength !== undefined && value.length > node.maxLength)
    report.error(path, `${path} may not be more than ${node.maxLength} chars long`);
  else if (node.pattern && !matchesPattern(node.pattern, value))
    report.error(path, `Invalid value: ${show(value)}: ${path} should match '${node.pattern}'`);
  return true;
}

function checkNumber(node: SchemaNode, value: unknown, path: string, report: Report): boolean {
  const isInteger = node.type === 'integer';
  if (typeof value !== 'number' || !Number.isFinite(value) || (isInteger && !Number.isInteger(value))) {
    const quoted = typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value));
    report.error(
      path,
      `Invalid value: ${show(value)}: ${path} must be of type ${node.type ?? 'number'}, not ${typeName(value)}`,
      quoted ? 'Remove the quotes.' : undefined,
    );
    return false;
  }
  const [low, high] = node.format === 'int32' ? [-2147483648, 2147483647] : [-Infinity, Infinity];
  if (value < Math.max(low, node.minimum ?? -Infinity))
    report.error(path, `Invalid value: ${value}: should be greater than or equal to ${node.minimum ?? low}`);
  if (value > Math.min(high, node.maximum ?? Infinity))
    report.error(path, `Invalid value: ${value}: should be less than or equal to ${node.maximum ?? high}`);
  return true;
}

function unknownField(node: SchemaNode, field: string, path: string, { report, ancestors }: Context): void {
  const place = `${path}.${field.slice(0, MAX_SHOWN)}`;
  const names = Object.keys(node.properties ?? {});
  const sibling = closestName(field, names);
  if (sibling && plainEqual(sibling, field))
    return reportUnknown(report, place, { code: 'LAT0002', field, fix: `Did you mean ${sibling}?` });
  const owner = ancestors.slice(0, -1).findLast((ancestor) => ancestor.node.properties && Object.hasOwn(ancestor.node.properties, field));
  if (owner)
    return reportUnknown(report, place, {
      code: 'LAT0003',
      field,
      fix: `It belongs to ${owner.path}, beside ${siblingsOf(owner.node, field)}: it is indented too far.`,
    });
  const below = placesBelow(node, field)[0];
  if (below)
    return reportUnknown(report, place, { code: 'LAT0003', field, fix: `It belongs to ${path}.${below}: it is not indented far enough.` });
  const fix = sibling ? `Did you mean ${sibling}?` : `Fields here: ${names.slice(0, 12).join(', ')}${names.length > 12 ? ', …' : ''}.`;
  reportUnknown(report, place, { code: 'LAT0002', field, fix });
}

const plainEqual = (a: string, b: string): boolean => a.replace(/_/g, '').toLowerCase() === b.replace(/_/g, '').toLowerCase();
const siblingsOf = (node: SchemaNode, field: string): string =>
  Object.keys(node.properties ?? {})
    .filter((name) => name !== field)
    .slice(0, 3)
    .join(', ') || 'nothing else';

function reportUnknown(report: Report, path: string, { code, field, fix }: { code: string; field: string; fix: string }): void {
  report.add({ code, level: 'error', path, message: `unknown field ${JSON.stringify(field.slice(0, MAX_SHOWN))}`, fix });
}
