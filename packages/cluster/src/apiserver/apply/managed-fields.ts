// metadata.managedFields: who set which field. Updates take what they change; applies own what they say, and conflict.

import type { KubeObject, ManagedFieldsEntry } from '@lateen/kube/types';
import type { ObjectSchema } from '../schema/schema.ts';
import { compare } from './compare.ts';
import {
  emptySet,
  equalSets,
  type FieldSet,
  fieldSetOf,
  formatFieldSet,
  intersect,
  isEmpty,
  parseFieldSet,
  pathsOf,
  subtract,
  union,
} from './field-set.ts';
import { mergeValue, removePaths } from './merge.ts';

export type Manager = {
  manager: string;
  apiVersion: string;
  subresource: string | undefined;
  /** For the entry, when its set changes. */
  time: string;
};

type Managed = { entry: ManagedFieldsEntry; set: FieldSet };

// Set by the server or part of the identity: nobody owns them.
const UNOWNED_METADATA = [
  ...['name', 'namespace', 'uid', 'creationTimestamp', 'resourceVersion', 'generation', 'managedFields', 'selfLink', 'generateName'],
  ...['deletionTimestamp', 'deletionGracePeriodSeconds'],
];

function ownable(object: KubeObject | undefined): unknown {
  if (!object) return undefined;
  const { apiVersion: _apiVersion, kind: _kind, metadata, ...rest } = object;
  const kept = Object.fromEntries(Object.entries(metadata).filter(([key]) => !UNOWNED_METADATA.includes(key)));
  return { ...rest, ...(Object.keys(kept).length > 0 ? { metadata: kept } : {}) };
}

const readEntries = (object: KubeObject | undefined): Managed[] =>
  (object?.metadata.managedFields ?? [])
    .filter((entry) => entry.manager !== undefined)
    .map((entry) => ({ entry, set: parseFieldSet(entry.fieldsV1) }));

const isOf = ({ entry }: Managed, operation: 'Apply' | 'Update', { manager, apiVersion, subresource }: Manager): boolean =>
  entry.manager === manager &&
  entry.operation === operation &&
  (operation === 'Apply' || entry.apiVersion === apiVersion) &&
  (entry.subresource ?? '') === (subresource ?? '');

function writeEntries(object: KubeObject, managed: Managed[]): void {
  const entries = managed.filter(({ set }) => !isEmpty(set)).map(({ entry, set }) => ({ ...entry, fieldsV1: formatFieldSet(set) }));
  if (entries.length > 0) object.metadata.managedFields = entries;
  else delete object.metadata.managedFields;
}

function newEntry(operation: 'Apply' | 'Update', { manager, apiVersion, subresource, time }: Manager): ManagedFieldsEntry {
  return { manager, operation, apiVersion, time, fieldsType: 'FieldsV1', ...(subresource ? { subresource } : {}) };
}

/** Records an update (or creation) in `next.metadata.managedFields`: the manager owns what it changed, others lose that. */
export function trackUpdate(update: Manager & { live: KubeObject | undefined; next: KubeObject; schema: ObjectSchema }): void {
  const { live, next, schema } = update;
  const managed = readEntries(next);
  // The status that an object starts with is the server's.
  const { added, modified, removed } = compare(live ? ownable(live) : { status: next['status'] }, ownable(next), schema);
  const taken = { ...union(added, modified), owned: false };
  const lost = { ...union(modified, removed), owned: false };
  let own = managed.find((one) => isOf(one, 'Update', update));
  for (const one of managed) if (one !== own) one.set = subtract(one.set, lost);
  if (!isEmpty(taken) || own) {
    own ??= addEntry(managed, newEntry('Update', update));
    const set = union(subtract(own.set, removed), taken);
    if (!equalSets(set, own.set)) own.entry = { ...own.entry, time: update.time };
    own.set = set;
  }
  writeEntries(next, managed);
}

function addEntry(managed: Managed[], entry: ManagedFieldsEntry): Managed {
  const added = { entry, set: emptySet() };
  managed.push(added);
  return added;
}

export type Conflict = { manager: string; operation: string; time: string | undefined; subresource: string | undefined; paths: string[] };
export type Applied = { ok: true; object: KubeObject } | { ok: false; conflicts: Conflict[] };

/** Applies a configuration to the live object (undefined: it is new) under server-side apply's rules. Neither is changed. */
export function applyConfiguration(
  apply: Manager & { live: KubeObject | undefined; config: KubeObject; schema: ObjectSchema; force: boolean },
): Applied {
  const { live, schema, force } = apply;
  const config = ownable(apply.config);
  const before = ownable(live) ?? {};
  const managed = readEntries(live);
  const own = managed.find((one) => isOf(one, 'Apply', apply)) ?? addEntry(managed, newEntry('Apply', apply));
  const others = managed.filter((one) => one !== own);
  const wanted = { ...fieldSetOf(config, schema), owned: false };
  const merged = mergeValue(before, config, schema);
  const { added, modified } = compare(before, merged, schema);
  const changed = union(added, modified);
  const conflicts = others.map((one) => ({ one, set: intersect(one.set, changed) })).filter(({ set }) => !isEmpty(set));
  if (conflicts.length > 0 && !force) return { ok: false, conflicts: conflicts.map(({ one, set }) => describe(one, set)) };
  for (const { one, set } of conflicts) one.set = subtract(one.set, set);
  const kept = others.reduce((all, one) => union(all, one.set), wanted);
  const pruned = removePaths(merged, schema, { gone: subtract(own.set, wanted), kept: { ...kept, owned: true } }) as Record<
    string,
    unknown
  >;
  if (!equalSets(own.set, wanted)) own.entry = { ...own.entry, time: apply.time };
  own.entry = { ...own.entry, apiVersion: apply.apiVersion };
  own.set = wanted;
  const metadata = { ...identityOf(live ?? apply.config), ...(pruned['metadata'] as object | undefined) };
  const base = live ?? apply.config;
  const object = { ...pruned, apiVersion: base.apiVersion, kind: base.kind, metadata } as KubeObject;
  writeEntries(object, managed);
  return { ok: true, object };
}

const identityOf = ({ metadata }: KubeObject) =>
  Object.fromEntries(
    Object.entries(metadata).filter(([key]) => UNOWNED_METADATA.includes(key) && key !== 'managedFields'),
  ) as KubeObject['metadata'];

const describe = ({ entry }: Managed, set: FieldSet): Conflict => ({
  manager: entry.manager ?? '',
  operation: entry.operation ?? '',
  time: entry.time,
  subresource: entry.subresource,
  paths: pathsOf(set),
});
