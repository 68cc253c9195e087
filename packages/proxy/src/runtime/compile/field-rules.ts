// What Envoy's .proto files say that a field may hold (protoc-gen-validate's rules), asked of a message and all that it holds. Typed
// extension configs are asked where they are decoded, see `any.ts`.

import { type DescField, type DescMessage, isMessage, type Message, type MessageShape } from '@bufbuild/protobuf';
import { DurationSchema } from '@bufbuild/protobuf/wkt';
import { type MessageRules, type TextRule, VALIDATION_RULES, type ValidationRule } from '@lateen/xds/messages/rules';
import type { Report } from './report.ts';

/** What is to be asked of one field; `inner`: the message type it holds, where that has rules somewhere. */
type FieldCheck = { readonly field: DescField; readonly rule: ValidationRule | undefined; readonly inner: DescMessage | undefined };
type Checks = { readonly fields: readonly FieldCheck[]; readonly oneofs: readonly DescMessage['oneofs'][number][] };

const NO_RULES: MessageRules = {};
const checksByType = new Map<DescMessage, Checks>();

/** Where in the message the walk is. Reports are only made for what is wrong: most messages are right. */
type Place = Report | { readonly outer: Place; readonly field: string; readonly key: number | string | undefined };

/** Reports every rule that the message breaks. */
export function checkFieldRules<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>, report: Report): void {
  checkMessage(schema, message, report);
}

function checkMessage(schema: DescMessage, message: Message, place: Place): void {
  const values = message as unknown as Readonly<Record<string, unknown>>;
  const { fields, oneofs } = checksOf(schema);
  for (const check of fields) {
    const { field, rule } = check;
    const value = heldBy(values, field);
    if (value === undefined && !rule?.required) continue;
    const problem = rule && problemOf(value, rule, field);
    if (problem) reportAt(below(place, field)).break(problem);
    else if (value !== undefined) checkItems(value, check, place);
  }
  for (const oneof of oneofs) {
    const { case: chosen } = values[oneof.localName] as { case: string | undefined };
    if (chosen === undefined) reportAt(place).break(`one of ${oneof.fields.map(({ name }) => name).join(', ')} is required`);
  }
}

function checkItems(value: unknown, { field, rule, inner }: FieldCheck, place: Place): void {
  if (Array.isArray(value)) {
    if (!inner && !rule?.items && !rule?.unique) return;
    const seen = rule?.unique ? new Set<unknown>() : undefined;
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i];
      const problem = seen?.has(item) ? 'stands there twice' : rule?.items && problemOf(item, rule.items, field);
      if (problem) reportAt(below(place, field, i)).break(problem);
      else if (inner) checkMessage(inner, item as Message, below(place, field, i));
      seen?.add(item);
    }
  } else if (field.fieldKind === 'map') {
    for (const [key, item] of Object.entries(value as Record<string, unknown>)) {
      const keyProblem = rule?.keys && problemOf(key, rule.keys, field);
      const problem = keyProblem ? `the key ${keyProblem}` : rule?.items && problemOf(item, rule.items, field);
      if (problem) reportAt(below(place, field, key)).break(problem);
      else if (inner) checkMessage(inner, item as Message, below(place, field, key));
    }
  } else if (inner) checkMessage(inner, value as Message, below(place, field));
}

const below = (outer: Place, field: DescField, key?: number | string): Place => ({ outer, field: field.name, key });

const reportAt = (place: Place): Report => ('outer' in place ? reportAt(place.outer).at(place.field, place.key) : place);

function checksOf(schema: DescMessage): Checks {
  const known = checksByType.get(schema);
  if (known) return known;
  const rules = VALIDATION_RULES[schema.typeName] ?? NO_RULES;
  const checks: Checks = {
    fields: schema.fields.flatMap((field) => {
      const rule = isDuration(field.message) ? notNegative(rules.fields?.[field.name]) : rules.fields?.[field.name];
      const inner = field.message && !isDuration(field.message) && hasRules(field.message) ? field.message : undefined;
      return rule || inner ? [{ field, rule, inner }] : [];
    }),
    oneofs: schema.oneofs.filter(({ name }) => rules.oneofs?.includes(name)),
  };
  checksByType.set(schema, checks);
  return checks;
}

const isDuration = (schema: DescMessage | undefined): boolean => schema?.typeName === DurationSchema.typeName;

/** No duration of a configuration may be negative: Envoy says so in its code, not in its .proto files. */
const notNegative = (rule: ValidationRule = {}): ValidationRule =>
  rule.min === undefined && rule.above === undefined ? { ...rule, min: 0 } : rule;

/** Whether the type, or one that it can hold, has rules. `above`: types that lead to it. */
function hasRules(schema: DescMessage, above: ReadonlySet<DescMessage> = new Set()): boolean {
  if (isDuration(schema)) return true;
  // Those of protocol buffers themselves have none, and the generated types show some of them as plain values.
  if (schema.typeName.startsWith('google.protobuf.') || above.has(schema)) return false;
  if (Object.hasOwn(VALIDATION_RULES, schema.typeName)) return true;
  const path = new Set(above).add(schema);
  return schema.fields.some(({ message }) => message !== undefined && hasRules(message, path));
}

/** Undefined: not set, where that can be told, or another case of its oneof is. */
function heldBy(message: Readonly<Record<string, unknown>>, { oneof, localName }: DescField): unknown {
  if (!oneof) return message[localName];
  const chosen = message[oneof.localName] as { case: string | undefined; value?: unknown };
  return chosen.case === localName ? chosen.value : undefined;
}

function problemOf(value: unknown, rule: ValidationRule, field: DescField): string | undefined {
  if (value === undefined) return 'is required';
  if (rule.ignoreEmpty && (value === '' || value === 0)) return undefined;
  if (rule.is !== undefined && value !== rule.is) return `must be ${rule.is}`;
  if (rule.oneOf && !rule.oneOf.includes(value as string)) return `must be one of ${rule.oneOf.map((one) => one || '""').join(', ')}`;
  if (rule.defined && field.enum && !field.enum.value[value as number]) return `unknown value ${value}`;
  if (rule.noneOf?.includes(value as number)) return `must not be ${field.enum?.value[value as number]?.name ?? value}`;
  if (isMessage(value, DurationSchema)) return rangeProblem(Number(value.seconds) * 1000 + value.nanos / 1e6, rule, ' ms');
  if (typeof value === 'number' || typeof value === 'bigint') return rangeProblem(Number(value), rule);
  return lengthProblem(value, rule) ?? (typeof value === 'string' ? textProblem(value, rule) : undefined);
}

function rangeProblem(value: number, { min, max, above, below }: ValidationRule, unit = ''): string | undefined {
  const text = (limit: number) => (limit === 0 ? '0' : `${limit}${unit}`);
  // NaN is within no limits.
  if (min !== undefined && !(value >= min)) return `must be at least ${text(min)}`;
  if (max !== undefined && !(value <= max)) return `must be at most ${text(max)}`;
  if (above !== undefined && !(value > above)) return `must be larger than ${text(above)}`;
  if (below !== undefined && !(value < below)) return `must be below ${text(below)}`;
  return undefined;
}

function lengthProblem(value: unknown, { minLength, maxLength, minBytes, maxBytes }: ValidationRule): string | undefined {
  const length = minLength === undefined && maxLength === undefined ? 0 : lengthOf(value);
  if (minLength !== undefined && length < minLength)
    return minLength === 1 ? 'must not be empty' : `must have a length of at least ${minLength}`;
  if (maxLength !== undefined && length > maxLength) return `must have a length of at most ${maxLength}`;
  if (minBytes === undefined && maxBytes === undefined) return undefined;
  const bytes = new TextEncoder().encode(String(value)).length;
  if (minBytes !== undefined && bytes < minBytes) return `must have at least ${minBytes} bytes`;
  return maxBytes !== undefined && bytes > maxBytes ? `must have at most ${maxBytes} bytes` : undefined;
}

function lengthOf(value: unknown): number {
  if (typeof value === 'string') return [...value].length;
  return Array.isArray(value) || value instanceof Uint8Array ? value.length : Object.keys(value as object).length;
}

// protoc-gen-validate's own, of header names and values.
const TEXTS: Readonly<Record<TextRule, RegExp>> = {
  'header name': /^:?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+$/,
  'header value': /^[^\0-\x08\n-\x1f\x7f]*$/,
  'header text': /^[^\0\n\r]*$/,
};

function textProblem(value: string, { text, prefix, pattern }: ValidationRule): string | undefined {
  if (text && !TEXTS[text].test(value)) return `must be ${text === 'header text' ? text : `a ${text}`}`;
  if (prefix !== undefined && !value.startsWith(prefix)) return `must begin with ${JSON.stringify(prefix)}`;
  return pattern !== undefined && !new RegExp(pattern).test(value) ? `must match ${pattern}` : undefined;
}
