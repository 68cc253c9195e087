// Field selectors: "metadata.name=x,status.phase!=Running". Any dotted path works; the API server of Kubernetes limits them
// per kind.

import { fail, isObject, ok, type Result } from '@lateen/base';

export type FieldRequirement = { path: string; negated: boolean; value: string };
/** All requirements must hold; an empty selector matches everything. */
export type FieldSelector = readonly FieldRequirement[];

const MAX_TEXT_LENGTH = 16 * 1024;

/** Parses a field selector; `\,` `\=` and `\\` are escapes in a value. */
export function parseFieldSelector(text: string): Result<FieldSelector> {
  if (text.length > MAX_TEXT_LENGTH) return fail('the field selector is too long');
  const requirements: FieldRequirement[] = [];
  for (const part of text.match(/(?:[^,\\]|\\.)+/gs) ?? []) {
    const match = /^([^=!\\]+)(==|!=|=)(.*)$/s.exec(part.trim());
    if (!match) return fail(`invalid field selector ${JSON.stringify(part.slice(0, 100))}: it needs "=" or "!="`);
    const [, path, sign, value] = match as unknown as [string, string, string, string];
    requirements.push({ path: path.trim(), negated: sign === '!=', value: value.replace(/\\(.)/gs, '$1') });
  }
  return ok(requirements);
}

/** Whether the object's fields match; an absent field counts as the empty string. */
export function matchesFields(selector: FieldSelector, object: unknown): boolean {
  return selector.every(({ path, negated, value }) => (fieldText(object, path) === value) !== negated);
}

function fieldText(object: unknown, path: string): string {
  let value = object;
  for (const key of path.split('.')) {
    if (!isObject(value) || !Object.hasOwn(value, key)) return '';
    value = value[key];
  }
  return value === null || value === undefined || typeof value === 'object' ? '' : String(value);
}
