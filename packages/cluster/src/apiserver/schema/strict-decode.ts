// Finds what does not fit a schema, in the words of Kubernetes' decoder, and drops unknown fields.

import { isObject } from '@lateen/base';
import type { Schema } from './schema.ts';

export type DecodeFindings = {
  /** Paths of fields that the schema does not know; they were removed from the value. */
  unknown: string[];
  /** The first type mismatch of a built-in kind, as Go's JSON decoder words it. */
  mismatch: string | undefined;
};

/**
 * Checks `value` in place and removes what the schema does not know. Wrong JSON types are reported below built-in types only:
 * the own fields of custom resources have theirs reported by validation.
 */
export function decodeStrictly(value: unknown, schema: Schema): DecodeFindings {
  const findings: DecodeFindings = { unknown: [], mismatch: undefined };
  visit(value, schema, { path: '', owner: '', findings, typed: false });
  return findings;
}

type Visit = { path: string; owner: string; findings: DecodeFindings; typed: boolean };

function visit(value: unknown, schema: Schema, parent: Visit): void {
  const at = schema.type === 'object' && schema.name !== undefined ? { ...parent, typed: true } : parent;
  // null means absent everywhere in Kubernetes' JSON.
  if (value === null || value === undefined) return;
  switch (schema.type) {
    case 'object':
      if (!isObject(value)) return mismatch(value, at, schema.name ?? 'object');
      for (const key of Object.keys(value)) {
        const path = at.path === '' ? key : `${at.path}.${key}`;
        const field = schema.fields.get(key);
        // null means absent; the one that Kubernetes itself writes stays.
        if (value[key] === null && schema.name !== undefined && key !== 'creationTimestamp') delete value[key];
        else if (field) visit(value[key], field.schema, { ...at, path, owner: shortName(schema.name) });
        else if (!schema.open) {
          at.findings.unknown.push(path);
          delete value[key];
        }
      }
      return;
    case 'map':
      if (!isObject(value)) return mismatch(value, at, `map[string]${goName(schema.items)}`);
      for (const [key, item] of Object.entries(value)) visit(item, schema.items, { ...at, path: join(at.path, key) });
      return;
    case 'array':
      if (!Array.isArray(value)) return mismatch(value, at, `[]${goName(schema.items)}`);
      for (const [i, item] of value.entries()) visit(item, schema.items, { ...at, path: `${at.path}[${i}]` });
      return;
    default:
      if (!fits(value, schema.type)) mismatch(value, at, goName(schema));
  }
}

const join = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);

function fits(value: unknown, type: Schema['type']): boolean {
  switch (type) {
    case 'string':
    case 'bytes':
    case 'time':
    case 'microTime':
    case 'duration':
      return typeof value === 'string';
    case 'bool':
      return typeof value === 'boolean';
    case 'int32':
      return Number.isInteger(value) && Math.abs(value as number) < 2 ** 31;
    case 'int64':
      return Number.isInteger(value);
    case 'number':
      return typeof value === 'number';
    case 'quantity':
    case 'intOrString':
      return typeof value === 'string' || typeof value === 'number';
    default:
      return true;
  }
}

const shortName = (name: string | undefined): string => name?.split('.').at(-1) ?? '';

function goName(schema: Schema): string {
  switch (schema.type) {
    case 'object': {
      const [group, version, kind] = (schema.name ?? '').split('.');
      return group === 'meta' ? `${version}.${kind}` : `${version}.${kind}`;
    }
    case 'map':
      return `map[string]${goName(schema.items)}`;
    case 'array':
      return `[]${goName(schema.items)}`;
    case 'number':
      return 'float64';
    case 'bytes':
      return '[]uint8';
    case 'time':
      return 'v1.Time';
    default:
      return schema.type;
  }
}

function mismatch(value: unknown, at: Visit, type: string): void {
  if (!at.typed || at.findings.mismatch !== undefined) return;
  const found = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
  const literal = typeof value === 'number' ? `number ${Number.isInteger(value) ? '' : value}`.trim() : found;
  const field = `${at.owner === '' ? '' : `${at.owner}.`}${at.path.replace(/\[\d+\]/g, '')}`;
  at.findings.mismatch = `json: cannot unmarshal ${literal} into Go struct field ${field} of type ${type}`;
}
