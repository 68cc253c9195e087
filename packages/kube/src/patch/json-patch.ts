// JSON Patch, RFC 6902, over JSON Pointer, RFC 6901. The limits follow the API server's: operations are counted and copies may
// not blow an object up.

import { isObject, jsonEqual } from '@lateen/base';
import { PatchError } from './errors.ts';

export type JsonPatchOperation =
  | { op: 'add' | 'replace' | 'test'; path: string; value: unknown }
  | { op: 'remove'; path: string }
  | { op: 'move' | 'copy'; path: string; from: string };

const MAX_OPERATIONS = 10_000;
const MAX_COPIED_BYTES = 3 * 1024 * 1024;

/**
 * Applies the operations in order to a deep copy of `target`.
 * @throws PatchError: `malformed` for something that is no JSON patch, `inapplicable` for a missing path or a failed test.
 */
export function applyJsonPatch(target: unknown, operations: unknown): unknown {
  if (!Array.isArray(operations)) throw new PatchError('malformed', 'a JSON patch must be an array of operations');
  if (operations.length > MAX_OPERATIONS) throw new PatchError('malformed', `a JSON patch may have at most ${MAX_OPERATIONS} operations`);
  const state = { root: structuredClone(target), copiedBytes: 0 };
  operations.forEach((operation: unknown, index) => {
    try {
      applyOperation(state, readOperation(operation));
    } catch (error) {
      if (!(error instanceof PatchError)) throw error;
      throw new PatchError(error.reason, `JSON patch operation ${index}: ${error.what}`);
    }
  });
  return state.root;
}

type State = { root: unknown; copiedBytes: number };

function readOperation(operation: unknown): JsonPatchOperation {
  if (!isObject(operation)) throw new PatchError('malformed', 'must be an object');
  const { op, path, from } = operation;
  if (typeof path !== 'string') throw new PatchError('malformed', 'needs a "path" string');
  switch (op) {
    case 'add':
    case 'replace':
    case 'test':
      if (!Object.hasOwn(operation, 'value')) throw new PatchError('malformed', `"${op}" needs a "value"`);
      return { op, path, value: operation['value'] };
    case 'remove':
      return { op, path };
    case 'move':
    case 'copy':
      if (typeof from !== 'string') throw new PatchError('malformed', `"${op}" needs a "from" string`);
      return { op, path, from };
    default:
      throw new PatchError('malformed', `unknown operation ${JSON.stringify(op)}`);
  }
}

function applyOperation(state: State, operation: JsonPatchOperation): void {
  const path = parsePointer(operation.path);
  switch (operation.op) {
    case 'add':
      add(state, path, structuredClone(operation.value));
      break;
    case 'remove':
      remove(state, path);
      break;
    case 'replace':
      read(state.root, path);
      if (path.length === 0) state.root = structuredClone(operation.value);
      else write(parentOf(state.root, path), path.at(-1) as string, structuredClone(operation.value));
      break;
    case 'test':
      if (!jsonEqual(read(state.root, path), operation.value)) {
        throw new PatchError('inapplicable', `test failed: the value at ${quote(operation.path)} is different`);
      }
      break;
    case 'move': {
      if (operation.path.startsWith(`${operation.from}/`)) throw new PatchError('inapplicable', 'cannot move a value into itself');
      const from = parsePointer(operation.from);
      const value = read(state.root, from);
      remove(state, from);
      add(state, path, value);
      break;
    }
    case 'copy': {
      const value = structuredClone(read(state.root, parsePointer(operation.from)));
      state.copiedBytes += JSON.stringify(value ?? null).length;
      if (state.copiedBytes > MAX_COPIED_BYTES) throw new PatchError('malformed', `copies more than ${MAX_COPIED_BYTES} bytes`);
      add(state, path, value);
      break;
    }
  }
}

/** Splits a JSON pointer into unescaped reference tokens. @throws PatchError */
export function parsePointer(pointer: string): string[] {
  if (pointer === '') return [];
  if (!pointer.startsWith('/')) throw new PatchError('malformed', `path ${quote(pointer)} must be empty or start with "/"`);
  return pointer
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

export const escapePointerToken = (token: string): string => token.replaceAll('~', '~0').replaceAll('/', '~1');

const quote = (text: string): string => JSON.stringify(text.slice(0, 200));
const formatPointer = (tokens: readonly string[]): string => quote(tokens.map((token) => `/${escapePointerToken(token)}`).join(''));

function read(root: unknown, path: readonly string[]): unknown {
  let value = root;
  for (const [depth, token] of path.entries()) {
    if (Array.isArray(value)) value = value[arrayIndex(token, value.length - 1)];
    else if (isObject(value) && Object.hasOwn(value, token)) value = value[token];
    else throw new PatchError('inapplicable', `there is nothing at ${formatPointer(path.slice(0, depth + 1))}`);
  }
  return value;
}

function parentOf(root: unknown, path: readonly string[]): unknown[] | Record<string, unknown> {
  const parent = read(root, path.slice(0, -1));
  if (Array.isArray(parent) || isObject(parent)) return parent;
  throw new PatchError('inapplicable', `${formatPointer(path.slice(0, -1))} is neither an object nor an array`);
}

function add(state: State, path: readonly string[], value: unknown): void {
  if (path.length === 0) {
    state.root = value;
    return;
  }
  const parent = parentOf(state.root, path);
  const token = path.at(-1) as string;
  if (Array.isArray(parent)) parent.splice(token === '-' ? parent.length : arrayIndex(token, parent.length), 0, value);
  else write(parent, token, value);
}

function remove(state: State, path: readonly string[]): void {
  if (path.length === 0) {
    state.root = null;
    return;
  }
  read(state.root, path);
  const parent = parentOf(state.root, path);
  const token = path.at(-1) as string;
  if (Array.isArray(parent)) parent.splice(arrayIndex(token, parent.length - 1), 1);
  else delete parent[token];
}

function write(parent: unknown[] | Record<string, unknown>, token: string, value: unknown): void {
  if (Array.isArray(parent)) parent[arrayIndex(token, parent.length - 1)] = value;
  else if (token === '__proto__') throw new PatchError('malformed', 'the key "__proto__" is not allowed');
  else parent[token] = value;
}

function arrayIndex(token: string, max: number): number {
  const index = /^(0|[1-9]\d{0,8})$/.test(token) ? Number(token) : -1;
  if (index < 0) throw new PatchError('malformed', `${quote(token)} is not an array index`);
  if (index > max) throw new PatchError('inapplicable', `array index ${index} is out of range`);
  return index;
}

/** A JSON patch from `before` to `after`. Lists are compared position by position; undefined properties count as absent. */
export function createJsonPatch(before: unknown, after: unknown): JsonPatchOperation[] {
  const operations: JsonPatchOperation[] = [];
  diff(before, after, '', operations);
  return operations;
}

function diff(before: unknown, after: unknown, path: string, operations: JsonPatchOperation[]): void {
  if (jsonEqual(before, after)) return;
  if (Array.isArray(before) && Array.isArray(after)) {
    const shared = Math.min(before.length, after.length);
    for (let i = 0; i < shared; i++) diff(before[i], after[i], `${path}/${i}`, operations);
    for (let i = before.length - 1; i >= shared; i--) operations.push({ op: 'remove', path: `${path}/${i}` });
    for (let i = shared; i < after.length; i++) operations.push({ op: 'add', path: `${path}/${i}`, value: after[i] });
  } else if (isObject(before) && isObject(after)) {
    for (const key of Object.keys(before)) {
      if (before[key] !== undefined && after[key] === undefined) {
        operations.push({ op: 'remove', path: `${path}/${escapePointerToken(key)}` });
      }
    }
    for (const [key, value] of Object.entries(after)) {
      if (value === undefined) continue;
      const inner = `${path}/${escapePointerToken(key)}`;
      if (Object.hasOwn(before, key) && before[key] !== undefined) diff(before[key], value, inner, operations);
      else operations.push({ op: 'add', path: inner, value });
    }
  } else operations.push({ op: 'replace', path, value: after });
}
