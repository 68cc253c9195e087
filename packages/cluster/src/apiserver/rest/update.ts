// update and everything that ends as one: patches, status, scale, finalize.

import { jsonEqual } from '@lateen/base';
import type { KubeObject } from '@lateen/kube/types';
import { trackUpdate } from '../apply/managed-fields.ts';
import { type ApiReply, json } from '../http/exchange.ts';
import { apiVersionOf } from '../registry/resource.ts';
import { badRequest, conflict, internalError, invalid, MODIFIED, notFound } from '../status.ts';
import { validateMetadata, validateMetadataUpdate } from '../validation/metadata.ts';
import { readObject } from './body.ts';
import { type Call, clone, keyOf, timestamp } from './call.ts';
import { createObject, optionsObject } from './create.ts';
import { renderObject } from './negotiate.ts';
import { renderingOf } from './read.ts';
import { tracksGeneration } from './strategy.ts';

/** PUT. Creates a missing Lease, Endpoints, Event and the like, as Kubernetes does. */
export async function update(call: Call): Promise<ApiReply> {
  const object = readObject(call);
  const key = keyOf(call.resource, call.namespace, call.name ?? '');
  if (!call.core.store.get(key) && CREATED_BY_PUT.has(call.resource.storage) && !call.subresource && !object.metadata.resourceVersion) {
    object.metadata.name ||= call.name ?? '';
    const created = await createObject(call, object, { track: true });
    return json(201, renderObject(call.resource.fromStorage(created), renderingOf(call)));
  }
  const updated = await updateObject(call, { transform: () => structuredClone(object), track: true });
  return json(200, renderObject(call.resource.fromStorage(updated), renderingOf(call)));
}

const CREATED_BY_PUT = new Set(['leases.coordination.k8s.io', 'endpoints', 'events', 'limitranges', 'roles.rbac.authorization.k8s.io']);

export type Change = {
  /** The wanted object from the current one, which it must not change. Called again after a conflict. */
  transform: (current: KubeObject) => KubeObject;
  /** False when the transform wrote the managed fields. */
  track: boolean;
};

const CONFLICT_TRIES = 10;

/** Admits, validates and stores a change; an object without changes is not written. @throws ApiError */
export async function updateObject(call: Call, change: Change): Promise<KubeObject> {
  const { core, resource } = call;
  const name = call.name ?? '';
  const key = keyOf(resource, call.namespace, name);
  for (let tries = 1; ; tries++) {
    const stored = core.store.get(key);
    if (!stored) throw notFound(resource, name);
    const current = resource.fromStorage(stored);
    const wanted = change.transform(current);
    const isPinned = checkIdentity(call, current, wanted);
    const next = await admitChange(call, { current, wanted, track: change.track });
    if (isSame(current, next)) return stored;
    if (call.options.dryRun) return resource.toStorage(next);
    const expected = stored.metadata.resourceVersion ?? '';
    const result = isFinished(next) ? core.store.remove(key, expected) : core.store.put(key, resource.toStorage(next), expected);
    if (result.ok) return result.object;
    if (isPinned || tries >= CONFLICT_TRIES) throw conflict(resource, name);
  }
}

// Returns whether the client insists on a resourceVersion.
function checkIdentity(call: Call, current: KubeObject, wanted: KubeObject): boolean {
  const { resource } = call;
  const name = call.name ?? '';
  const given = wanted.metadata;
  if (given.name && given.name !== name) {
    throw badRequest(`the name of the object (${given.name}) does not match the name on the URL (${name})`);
  }
  if (given.namespace && resource.namespaced && given.namespace !== call.namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  const own = current.metadata;
  if (given.uid && given.uid !== own.uid) {
    throw conflict(resource, name, `Precondition failed: UID in precondition: ${given.uid}, UID in object meta: ${own.uid}`);
  }
  const isPinned = given.resourceVersion !== undefined && given.resourceVersion !== '' && given.resourceVersion !== '0';
  if (isPinned && given.resourceVersion !== own.resourceVersion) throw conflict(resource, name, MODIFIED);
  return isPinned && !call.request.method.startsWith('PATCH');
}

async function admitChange(call: Call, change: { current: KubeObject; wanted: KubeObject; track: boolean }): Promise<KubeObject> {
  const { core, resource } = call;
  const { current } = change;
  const next = mergeByScope(call, current, change.wanted);
  resource.applyDefaults(next);
  const attributes = {
    operation: 'UPDATE' as const,
    resource,
    subresource: call.subresource,
    namespace: call.namespace,
    name: call.name ?? '',
    oldObject: current,
    user: call.request.user,
    dryRun: call.options.dryRun,
    options: optionsObject(call, 'UpdateOptions'),
    warnings: call.warnings,
  };
  const admitted = await core.admission.mutate({ ...attributes, object: next });
  if (!admitted) throw internalError('admission lost the object');
  if (admitted !== next) resource.applyDefaults(admitted);
  keepServerFields(call, current, admitted);
  const errors = [
    ...validateMetadata(resource, admitted),
    ...validateMetadataUpdate(admitted, current),
    ...resource.validate(admitted, current),
  ];
  if (errors.length > 0) throw invalid(resource, admitted.metadata.name, errors);
  if (change.track) {
    trackUpdate({
      live: current,
      next: admitted,
      schema: resource.schema,
      manager: call.options.fieldManager,
      apiVersion: apiVersionOf(resource),
      subresource: call.subresource,
      time: timestamp(core.clock.now()),
    });
  }
  await core.admission.validate({ ...attributes, object: admitted });
  return admitted;
}

// Which part of the wanted object counts: status writes leave the rest, other writes leave the status.
function mergeByScope(call: Call, current: KubeObject, wanted: KubeObject): KubeObject {
  const isStatus = call.subresource === 'status';
  const next = clone(isStatus ? current : wanted);
  if (isStatus) {
    if (wanted['status'] === undefined) delete next['status'];
    else next['status'] = structuredClone(wanted['status']);
    if (wanted.metadata.managedFields) next.metadata.managedFields = structuredClone(wanted.metadata.managedFields);
    // Kubernetes lets the status of pods and nodes carry labels and annotations with it.
    if (!call.resource.custom && wanted.metadata.annotations) next.metadata.annotations = structuredClone(wanted.metadata.annotations);
    if (!call.resource.custom && wanted.metadata.labels) next.metadata.labels = structuredClone(wanted.metadata.labels);
  } else if (call.resource.subresources.has('status')) {
    if (current['status'] === undefined) delete next['status'];
    else next['status'] = structuredClone(current['status']);
  }
  if (call.resource.storage === 'namespaces' && call.subresource !== 'finalize') next['spec'] = structuredClone(current['spec']);
  keepServerFields(call, current, next);
  return next;
}

function keepServerFields(call: Call, current: KubeObject, next: KubeObject): void {
  const { metadata } = next;
  const own = current.metadata;
  next.apiVersion = current.apiVersion;
  next.kind = current.kind;
  metadata.name = own.name;
  if (own.namespace !== undefined) metadata.namespace = own.namespace;
  for (const field of [
    'uid',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'generation',
    'resourceVersion',
    'generateName',
  ] as const) {
    if (own[field] === undefined || own[field] === null) delete metadata[field];
    else (metadata as Record<string, unknown>)[field] = own[field];
  }
  // Only when the client says nothing about them; an empty list resets them.
  if (metadata.managedFields === undefined && own.managedFields) metadata.managedFields = structuredClone(own.managedFields);
  delete metadata.selfLink;
  if (call.subresource !== 'status' && tracksGeneration(call.resource) && !jsonEqual(desired(current), desired(next))) {
    metadata.generation = (own.generation ?? 0) + 1;
  }
}

const desired = ({ metadata: _metadata, status: _status, apiVersion: _version, ...rest }: KubeObject): unknown => rest;

const isSame = (a: KubeObject, b: KubeObject): boolean => jsonEqual(withoutTimes(a), withoutTimes(b));

const withoutTimes = (object: KubeObject): unknown => ({
  ...object,
  metadata: { ...object.metadata, managedFields: object.metadata.managedFields?.map(({ time: _time, ...entry }) => entry) },
});

/** A deleted object goes once nothing holds it. */
export function isFinished(object: KubeObject): boolean {
  const { metadata } = object;
  if (!metadata.deletionTimestamp || (metadata.finalizers?.length ?? 0) > 0) return false;
  if ((metadata.deletionGracePeriodSeconds ?? 0) > 0) return false;
  const spec = object['spec'] as { finalizers?: unknown[] } | undefined;
  return !(object.kind === 'Namespace' && object.apiVersion === 'v1' && (spec?.finalizers?.length ?? 0) > 0);
}
