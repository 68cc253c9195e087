// Strategic merge patch: a merge patch in which some lists of the built-in kinds merge by key instead of being replaced.
// The merge keys are a property of the field names: about 35 names cover every built-in type, and only `ports` depends on what
// its items carry. Semantics: Kubernetes, "Update API Objects in Place Using kubectl patch", and its directives.

import { isObject, jsonEqual } from '@lateen/base';
import { PatchError } from './errors.ts';

type Fields = Record<string, unknown>;

const MERGE_KEYS = new Map<string, string>([
  ...[
    ...['containers', 'initContainers', 'ephemeralContainers', 'env', 'volumes', 'imagePullSecrets', 'secrets', 'webhooks'],
    ...['matchConditions', 'variables', 'resourceClaims', 'schedulingGates'],
  ].map((field): [string, string] => [field, 'name']),
  ['conditions', 'type'],
  ['addresses', 'type'],
  ['volumeMounts', 'mountPath'],
  ['volumeDevices', 'devicePath'],
  ['hostAliases', 'ip'],
  ['podIPs', 'ip'],
  ['hostIPs', 'ip'],
  ['topologySpreadConstraints', 'topologyKey'],
  ['ownerReferences', 'uid'],
  ['taints', 'key'],
]);
const MERGED_PRIMITIVES = new Set(['finalizers']);
// Their `addresses` and `ports` are replaced whole, unlike those of Node and Service.
const ATOMIC_KINDS = new Set(['Endpoints', 'EndpointSlice']);

const PATCH = '$patch';
const RETAIN_KEYS = '$retainKeys';
const ELEMENT_ORDER = '$setElementOrder/';
const DELETE_PRIMITIVES = '$deleteFromPrimitiveList/';

export type StrategicMergeOptions = {
  /** The object's kind; only Endpoints and EndpointSlice behave differently. */
  kind?: string;
};

/**
 * Applies a strategic merge patch; the target is not changed, unchanged parts are shared. "__proto__" keys are ignored.
 * @throws PatchError (`malformed`) for a wrong directive or a list item without its merge key.
 */
export function applyStrategicMergePatch(target: unknown, patch: unknown, options: StrategicMergeOptions = {}): unknown {
  if (!isObject(patch)) throw new PatchError('malformed', 'a strategic merge patch must be an object');
  return mergeFields(isObject(target) ? target : {}, patch, ATOMIC_KINDS.has(options.kind ?? ''));
}

function mergeFields(original: Fields, patch: Fields, atomic: boolean): Fields {
  switch (patch[PATCH]) {
    case undefined:
    case 'merge':
      break;
    case 'replace':
      return withoutDirectives(patch) as Fields;
    case 'delete':
      return {};
    default:
      throw new PatchError('malformed', `unknown value ${JSON.stringify(patch[PATCH])} of "$patch"`);
  }
  const merged: Fields = { ...original };
  if (Object.hasOwn(patch, RETAIN_KEYS)) {
    const retained = new Set(listOf(patch[RETAIN_KEYS], RETAIN_KEYS));
    for (const key of Object.keys(merged)) if (!retained.has(key)) delete merged[key];
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key === '__proto__' || key === PATCH || key === RETAIN_KEYS) continue;
    if (key.startsWith(ELEMENT_ORDER)) {
      const field = key.slice(ELEMENT_ORDER.length);
      if (!Object.hasOwn(patch, field) && Array.isArray(merged[field])) merged[field] = mergeList(field, merged[field], [], patch, atomic);
    } else if (key.startsWith(DELETE_PRIMITIVES)) {
      const field = key.slice(DELETE_PRIMITIVES.length);
      if (!Object.hasOwn(patch, field) && Array.isArray(merged[field])) merged[field] = withoutPrimitives(field, merged[field], patch);
    } else if (value === null) delete merged[key];
    else merged[key] = mergeValue(key, Object.hasOwn(merged, key) ? merged[key] : undefined, value, { patch, atomic });
  }
  return merged;
}

function mergeValue(key: string, original: unknown, value: unknown, context: { patch: Fields; atomic: boolean }): unknown {
  if (isObject(value)) return mergeFields(isObject(original) ? original : {}, value, context.atomic);
  if (!Array.isArray(value)) return value;
  return mergeList(key, Array.isArray(original) ? original : [], value, context.patch, context.atomic);
}

function mergeList(field: string, original: unknown[], items: unknown[], patch: Fields, atomic: boolean): unknown[] {
  const order = Object.hasOwn(patch, ELEMENT_ORDER + field) ? listOf(patch[ELEMENT_ORDER + field], ELEMENT_ORDER + field) : undefined;
  if (MERGED_PRIMITIVES.has(field)) {
    const kept = withoutPrimitives(field, original, patch);
    const merged = [...kept, ...items.filter((item) => !kept.includes(item))];
    return ordered(merged, { original, order: order ?? items, keyOf: (item) => item });
  }
  const mergeKey = atomic ? undefined : mergeKeyOf(field, [...items, ...original]);
  if (mergeKey === undefined) return items.map(withoutDirectives);
  const keyOf = (item: unknown): unknown => (isObject(item) ? item[mergeKey] : undefined);
  const plain = items.filter((item) => !(isObject(item) && Object.hasOwn(item, PATCH) && item[PATCH] !== 'merge'));
  if (items.some((item) => isObject(item) && item[PATCH] === 'replace')) return plain.map(withoutDirectives);

  let merged = [...original];
  for (const item of items) {
    if (!isObject(item)) throw new PatchError('malformed', `items of "${field}" must be objects`);
    if (!Object.hasOwn(item, mergeKey)) throw new PatchError('malformed', `an item of "${field}" lacks its merge key "${mergeKey}"`);
    const key = item[mergeKey];
    const at = merged.findIndex((other) => jsonEqual(keyOf(other), key));
    if (item[PATCH] === 'delete') merged = merged.filter((other) => !jsonEqual(keyOf(other), key));
    else if (at < 0) merged.push(mergeFields({}, item, atomic));
    else merged[at] = mergeFields(merged[at] as Fields, item, atomic);
  }
  return ordered(merged, { original, order: order ?? plain, keyOf });
}

function mergeKeyOf(field: string, items: unknown[]): string | undefined {
  if (!items.every(isObject)) return undefined;
  if (field === 'ports') return items.some((item) => Object.hasOwn(item, 'containerPort')) ? 'containerPort' : 'port';
  return MERGE_KEYS.get(field);
}

/**
 * Items named in `order` come in that order; the others keep their place relative to them as it was in `original`. An other
 * goes in front of the first ordered item that followed it originally, else to the end.
 */
function ordered(
  merged: unknown[],
  { original, order, keyOf }: { original: unknown[]; order: unknown[]; keyOf: (item: unknown) => unknown },
): unknown[] {
  const position = (list: unknown[]) => {
    const positions = new Map(list.map((item, i) => [JSON.stringify(keyOf(item)), i]));
    return (item: unknown): number => positions.get(JSON.stringify(keyOf(item))) ?? -1;
  };
  const orderOf = position(order);
  const originalOf = position(original);
  const result = merged.filter((item) => orderOf(item) >= 0).sort((a, b) => orderOf(a) - orderOf(b));
  let from = 0;
  for (const item of merged.filter((candidate) => orderOf(candidate) < 0)) {
    const place = originalOf(item);
    let at = from;
    while (at < result.length && !(place >= 0 && originalOf(result[at]) > place)) at++;
    result.splice(at, 0, item);
    from = at + 1;
  }
  return result;
}

function withoutPrimitives(field: string, original: unknown[], patch: Fields): unknown[] {
  const directive = DELETE_PRIMITIVES + field;
  if (!Object.hasOwn(patch, directive)) return original;
  const deleted = listOf(patch[directive], directive);
  return original.filter((item) => !deleted.includes(item));
}

function listOf(value: unknown, directive: string): unknown[] {
  if (!Array.isArray(value)) throw new PatchError('malformed', `"${directive}" must be a list`);
  return value;
}

// A patch's value that replaces something: directives and nulls inside it have nothing to act on.
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDirectives);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, inner]) => inner !== null && key !== '__proto__' && !isDirective(key))
      .map(([key, inner]) => [key, withoutDirectives(inner)]),
  );
}

const isDirective = (key: string): boolean =>
  key === PATCH || key === RETAIN_KEYS || key.startsWith(ELEMENT_ORDER) || key.startsWith(DELETE_PRIMITIVES);
