// Header operations of routes, virtual hosts and filters.

import { compileHeaderFormat } from '../observe/format.ts';
import type { Format, HeaderMutation } from '../runtime/model.ts';
import { type Head, wireText } from './head.ts';
import type { RequestRecord } from './request-record.ts';

type Value = (record: RequestRecord) => string;

// Formats are immutable and shared by every request of a route: compiled at first use.
const compiled = new WeakMap<Format, Value>();

function compiledValue(format: Format): Value {
  let value = compiled.get(format);
  if (!value) {
    const literal = format.length === 0 ? '' : format.length === 1 && typeof format[0] === 'string' ? format[0] : undefined;
    if (literal !== undefined) {
      const text = wireText(literal);
      value = () => text;
    } else {
      const formatter = compileHeaderFormat(format);
      value = (record) => wireText(formatter(record));
    }
    compiled.set(format, value);
  }
  return value;
}

/** Text of a format for a request. */
export const formatText = (format: Format, record: RequestRecord): string => compiledValue(format)(record);

// Envoy keeps one line of these and appends to it; of everything else it adds another line.
const SINGLE_LINE: ReadonlySet<string> = new Set(['location', 'x-forwarded-host', 'x-forwarded-for', 'x-forwarded-proto', 'user-agent']);

/** Adds a value to a header. */
export function appendHeader(head: Head, name: string, value: string): void {
  const known = SINGLE_LINE.has(name) ? head.value(name) : undefined;
  if (known === undefined) head.add(name, value);
  else head.set(name, `${known},${value}`);
}

type Step = { readonly mutation: HeaderMutation; readonly value: Value; readonly hasSingleLine: boolean };

// As formats: a route's list is always the same.
const lists = new WeakMap<readonly HeaderMutation[], readonly Step[]>();
const EMPTY: Value = () => '';

function stepsOf(mutations: readonly HeaderMutation[]): readonly Step[] {
  let steps = lists.get(mutations);
  if (!steps) {
    steps = mutations.map((mutation) => ({
      mutation,
      value: 'value' in mutation ? compiledValue(mutation.value) : EMPTY,
      hasSingleLine: 'name' in mutation && SINGLE_LINE.has(mutation.name),
    }));
    lists.set(mutations, steps);
  }
  return steps;
}

/** Applies the mutations in order. `host` is not a header here: the authority has its own rewrite. */
export function applyHeaderMutations(head: Head, mutations: readonly HeaderMutation[], record: RequestRecord): void {
  for (const step of stepsOf(mutations)) {
    const { mutation } = step;
    if (mutation.kind === 'remove') {
      head.remove(mutation.name);
      continue;
    }
    if (mutation.kind === 'remove_matching') {
      removeMatching(head, mutation.matches);
      continue;
    }
    const value = step.value(record);
    if (value === '' && !mutation.keepEmptyValue) continue;
    switch (mutation.action) {
      case 'append_if_exists_or_add':
        if (step.hasSingleLine) appendHeader(head, mutation.name, value);
        else head.add(mutation.name, value);
        break;
      case 'add_if_absent':
        if (!head.has(mutation.name)) head.add(mutation.name, value);
        break;
      case 'overwrite_if_exists':
        if (head.has(mutation.name)) head.set(mutation.name, value);
        break;
      default:
        head.set(mutation.name, value);
    }
  }
}

function removeMatching(head: Head, matches: (name: string) => boolean): void {
  const names = new Set<string>();
  head.forEach((name) => {
    if (matches(name)) names.add(name);
  });
  for (const name of names) head.remove(name);
}
