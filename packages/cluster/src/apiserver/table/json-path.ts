// The simple JSONPaths of additionalPrinterColumns: .spec.hosts, .status.conditions[?(@.type=="Ready")].status, .items[0],
// .metadata.labels['a\.b'].

import { isObject } from '@lateen/base';
import { age } from './columns.ts';

type Step =
  | { kind: 'field'; name: string }
  | { kind: 'index'; index: number }
  | { kind: 'all' }
  | { kind: 'filter'; field: string[]; value: string };

const STEP =
  /\.((?:[^.[\]\\]|\\.)+)|\[(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(-?\d+)|(\*)|\?\(@\.([\w.-]+)\s*==\s*["']([^"']*)["']\s*\))\]/y;

const parsed = new Map<string, Step[] | undefined>();

function parse(path: string): Step[] | undefined {
  if (parsed.has(path)) return parsed.get(path);
  const steps: Step[] = [];
  const text = path.startsWith('{') ? path.slice(1, -1) : path;
  let position = 0;
  while (position < text.length) {
    STEP.lastIndex = position;
    const match = STEP.exec(text);
    if (!match) {
      parsed.set(path, undefined);
      return undefined;
    }
    position = STEP.lastIndex;
    const [, field, single, double, index, all, filterField, filterValue] = match;
    const name = field ?? single ?? double;
    if (name !== undefined) steps.push(name === '*' ? { kind: 'all' } : { kind: 'field', name: name.replace(/\\(.)/g, '$1') });
    else if (index !== undefined) steps.push({ kind: 'index', index: Number(index) });
    else if (all !== undefined) steps.push({ kind: 'all' });
    else steps.push({ kind: 'filter', field: (filterField ?? '').split('.'), value: filterValue ?? '' });
  }
  if (parsed.size > 2000) parsed.clear();
  parsed.set(path, steps);
  return steps;
}

/** All values the path finds; none for a path that is not understood. */
export function jsonPathValues(object: unknown, path: string): unknown[] {
  let values: unknown[] = [object];
  for (const step of parse(path) ?? [{ kind: 'index', index: -1 } as const]) values = values.flatMap((value) => follow(value, step));
  return values;
}

function follow(value: unknown, step: Step): unknown[] {
  switch (step.kind) {
    case 'field':
      return isObject(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : [];
    case 'index': {
      const item = Array.isArray(value) ? value.at(step.index) : undefined;
      return item === undefined ? [] : [item];
    }
    case 'all':
      return Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [];
    case 'filter':
      return Array.isArray(value)
        ? value.filter(
            (item) => String(step.field.reduce<unknown>((inner, key) => (isObject(inner) ? inner[key] : undefined), item)) === step.value,
          )
        : [];
  }
}

/** The cell of a printer column; null when there is nothing, so that kubectl prints it empty. */
export function jsonPathText(object: unknown, column: { jsonPath: string; type: string }, nowMs: number): unknown {
  const [value] = jsonPathValues(object, column.jsonPath);
  if (value === undefined || value === null) return null;
  if (column.type === 'date') return age(value, nowMs);
  if (column.type === 'string') return typeof value === 'string' ? value : JSON.stringify(value);
  return typeof value === 'object' ? JSON.stringify(value) : value;
}
