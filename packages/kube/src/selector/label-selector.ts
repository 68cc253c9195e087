// Label selectors in both forms: the text of `?labelSelector=` and `kubectl -l`, and the LabelSelector object.

import { fail, ok, type Result } from '@lateen/base';
import type { LabelSelector } from '../types/index.ts';

export type SelectorOperator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';
export type SelectorRequirement = { key: string; operator: SelectorOperator; values: readonly string[] };
/** All requirements must hold; an empty selector matches everything. */
export type Selector = readonly SelectorRequirement[];

const MAX_TEXT_LENGTH = 64 * 1024;
const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?$/;
const PREFIX = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;

/** Parses "a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1". The empty text matches everything. */
export function parseLabelSelector(text: string): Result<Selector> {
  if (text.length > MAX_TEXT_LENGTH) return fail('the selector is too long');
  const requirements: SelectorRequirement[] = [];
  for (const part of splitOutsideParentheses(text)) {
    const requirement = parseRequirement(part.trim());
    if (!requirement.ok) return requirement;
    requirements.push(requirement.value);
  }
  return ok(requirements);
}

function splitOutsideParentheses(text: string): string[] {
  if (text.trim() === '') return [];
  const parts: string[] = [];
  let start = 0;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '(') depth++;
    else if (text[i] === ')') depth--;
    else if (text[i] === ',' && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

function parseRequirement(text: string): Result<SelectorRequirement> {
  if (text.startsWith('!')) return requirement(text.slice(1).trim(), 'DoesNotExist', []);
  const set = /^([^\s=!<>(),]+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(text);
  if (set) {
    const values = (set[3] as string).split(',').map((value) => value.trim());
    return requirement(set[1] as string, set[2] === 'in' ? 'In' : 'NotIn', values);
  }
  const comparison = /^([^\s=!<>(),]+)\s*(==|=|!=|>|<)\s*([^\s=!<>(),]*)$/.exec(text);
  if (comparison) {
    const [, key, sign, value] = comparison as unknown as [string, string, string, string];
    if (sign === '>' || sign === '<') {
      if (!/^-?\d{1,18}$/.test(value)) return fail(`${quote(text)}: "${sign}" needs an integer`);
      return requirement(key, sign === '>' ? 'Gt' : 'Lt', [value]);
    }
    return requirement(key, sign === '!=' ? 'NotIn' : 'In', [value]);
  }
  return requirement(text, 'Exists', []);
}

function requirement(key: string, operator: SelectorOperator, values: string[]): Result<SelectorRequirement> {
  if (!isLabelKey(key)) return fail(`invalid label key ${quote(key)}`);
  if (operator !== 'Gt' && operator !== 'Lt') {
    const wrong = values.find((value) => !isLabelValue(value));
    if (wrong !== undefined) return fail(`invalid label value ${quote(wrong)}`);
  }
  return ok({ key, operator, values });
}

const quote = (text: string): string => JSON.stringify(text.slice(0, 100));

/** Whether the text is a label key: a name of at most 63 characters with an optional DNS prefix. */
export function isLabelKey(key: string): boolean {
  const slash = key.indexOf('/');
  const name = key.slice(slash + 1);
  if (slash >= 0 && (slash > 253 || !PREFIX.test(key.slice(0, slash)))) return false;
  return name.length <= 63 && NAME.test(name);
}

/** Whether the text is a label value: empty, or at most 63 characters like a name. */
export function isLabelValue(value: string): boolean {
  return value === '' || (value.length <= 63 && NAME.test(value));
}

export function matchesLabels(selector: Selector, labels: Record<string, string> | undefined): boolean {
  return selector.every((one) => matchesRequirement(one, labels ?? {}));
}

function matchesRequirement({ key, operator, values }: SelectorRequirement, labels: Record<string, string>): boolean {
  const value = Object.hasOwn(labels, key) ? String(labels[key]) : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt': {
      if (value === undefined || !/^-?\d{1,18}$/.test(value)) return false;
      const difference = Number(value) - Number(values[0]);
      return operator === 'Gt' ? difference > 0 : difference < 0;
    }
  }
}

/** The requirements of a LabelSelector object. */
export function compileLabelSelector(selector: LabelSelector): Selector {
  return [
    ...Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({ key, operator: 'In' as const, values: [value] })),
    ...(selector.matchExpressions ?? []).map(({ key, operator, values }) => ({ key, operator, values: values ?? [] })),
  ];
}

/** Whether a LabelSelector object matches. Absent (null) matches nothing, empty matches everything, as in Kubernetes. */
export function labelSelectorMatches(selector: LabelSelector | null | undefined, labels: Record<string, string> | undefined): boolean {
  return selector ? matchesLabels(compileLabelSelector(selector), labels) : false;
}

/** The text form, for a query parameter. */
export function formatLabelSelector(selector: Selector): string {
  return selector.map(formatRequirement).join(',');
}

function formatRequirement({ key, operator, values }: SelectorRequirement): string {
  switch (operator) {
    case 'In':
      return values.length === 1 ? `${key}=${values[0]}` : `${key} in (${values.join(',')})`;
    case 'NotIn':
      return values.length === 1 ? `${key}!=${values[0]}` : `${key} notin (${values.join(',')})`;
    case 'Exists':
      return key;
    case 'DoesNotExist':
      return `!${key}`;
    case 'Gt':
      return `${key}>${values[0]}`;
    case 'Lt':
      return `${key}<${values[0]}`;
  }
}
