// delete and deletecollection: preconditions, grace for pods, finalizers, propagation.

import type { DeleteOptions, KubeObject } from '@lateen/kube/types';
import { type ApiReply, json } from '../http/exchange.ts';
import type { Resource } from '../registry/resource.ts';
import { namedSchema } from '../schema/builtin.ts';
import { decodeStrictly } from '../schema/strict-decode.ts';
import { badRequest, conflict, notFound } from '../status.ts';
import { readBody } from './body.ts';
import { type Call, clone, keyOf, timestamp } from './call.ts';
import { optionsObject } from './create.ts';
import { renderList, renderObject } from './negotiate.ts';
import { filterOf, matches, renderingOf } from './read.ts';
import { isFinished } from './update.ts';

export const ORPHAN_FINALIZER = 'orphan';
export const FOREGROUND_FINALIZER = 'foregroundDeletion';
const DEFAULT_GRACE_S = 30;

/** DELETE of one object. */
export async function remove(call: Call): Promise<ApiReply> {
  const options = readDeleteOptions(call);
  const { object, gone } = await deleteObject(call, options);
  if (!gone) return json(200, renderObject(call.resource.fromStorage(object), renderingOf(call)));
  const { group, plural } = call.resource;
  const { name, uid } = object.metadata;
  return json(200, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name, ...(group === '' ? {} : { group }), kind: plural, uid },
  });
}

/** DELETE of a collection: everything the selectors match. */
export async function removeCollection(call: Call): Promise<ApiReply> {
  const options = readDeleteOptions(call);
  const filter = filterOf(call);
  const items: KubeObject[] = [];
  const scope = { resource: call.resource.storage, namespace: call.resource.namespaced ? call.namespace : undefined };
  for (const stored of call.core.store.list(scope) ?? []) {
    const object = call.resource.fromStorage(stored);
    if (!matches(filter, object)) continue;
    items.push(object);
    try {
      await deleteObject({ ...call, name: object.metadata.name, namespace: object.metadata.namespace }, options);
    } catch (error) {
      // Another client was faster.
      if ((error as { status?: { code?: number } }).status?.code !== 404) throw error;
    }
  }
  return json(200, renderList(items, { resourceVersion: String(call.core.store.revision) }, renderingOf(call)));
}

function readDeleteOptions(call: Call): DeleteOptions {
  const { query, body } = call.request;
  const options = (body.length > 0 ? readBody(call) : {}) as DeleteOptions;
  const { mismatch } = decodeStrictly(options, namedSchema('meta.v1.DeleteOptions'));
  if (mismatch) throw badRequest(mismatch);
  const grace = query.get('gracePeriodSeconds');
  if (grace !== null) options.gracePeriodSeconds = Number(grace);
  const policy = query.get('propagationPolicy');
  if (policy !== null) options.propagationPolicy = policy as NonNullable<DeleteOptions['propagationPolicy']>;
  if ((options as { orphanDependents?: boolean }).orphanDependents === true) options.propagationPolicy = 'Orphan';
  if (options.propagationPolicy && !['Orphan', 'Background', 'Foreground'].includes(options.propagationPolicy)) {
    throw badRequest(`invalid propagationPolicy ${JSON.stringify(options.propagationPolicy)}`);
  }
  if (options.dryRun?.includes('All')) call.options.dryRun = true;
  return options;
}

/** Deletes or begins to delete; `gone` tells which. @throws ApiError */
export async function deleteObject(call: Call, options: DeleteOptions): Promise<{ object: KubeObject; gone: boolean }> {
  const { core, resource } = call;
  const name = call.name ?? '';
  const key = keyOf(resource, call.namespace, name);
  let isAdmitted = false;
  for (;;) {
    const stored = core.store.get(key);
    if (!stored) throw notFound(resource, name);
    checkPreconditions(call, stored, options);
    if (!isAdmitted) {
      await admitDeletion(call, stored);
      isAdmitted = true;
      continue;
    }
    const next = markDeleted(stored, { resource, options, nowMs: core.clock.now() });
    const gone = isFinished(next);
    if (call.options.dryRun) return { object: gone ? stored : next, gone };
    if (!gone && next.metadata.deletionTimestamp === stored.metadata.deletionTimestamp && sameFinalizers(next, stored))
      return { object: stored, gone };
    const expected = stored.metadata.resourceVersion ?? '';
    const result = gone ? core.store.remove(key, expected) : core.store.put(key, next, expected);
    if (result.ok) return { object: result.object, gone };
  }
}

const sameFinalizers = (a: KubeObject, b: KubeObject): boolean =>
  a.metadata.finalizers?.join() === b.metadata.finalizers?.join() &&
  a.metadata.deletionGracePeriodSeconds === b.metadata.deletionGracePeriodSeconds;

function checkPreconditions({ resource, name = '' }: Call, { metadata }: KubeObject, { preconditions }: DeleteOptions): void {
  if (preconditions?.uid && preconditions.uid !== metadata.uid) {
    throw conflict(resource, name, `Precondition failed: UID in precondition: ${preconditions.uid}, UID in object meta: ${metadata.uid}`);
  }
  if (preconditions?.resourceVersion && preconditions.resourceVersion !== metadata.resourceVersion) {
    throw conflict(
      resource,
      name,
      `Precondition failed: ResourceVersion in precondition: ${preconditions.resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion}`,
    );
  }
}

async function admitDeletion(call: Call, stored: KubeObject): Promise<void> {
  const attributes = {
    operation: 'DELETE' as const,
    resource: call.resource,
    subresource: undefined,
    namespace: call.namespace,
    name: call.name ?? '',
    object: undefined,
    oldObject: call.resource.fromStorage(stored),
    user: call.request.user,
    dryRun: call.options.dryRun,
    options: optionsObject(call, 'DeleteOptions'),
    warnings: call.warnings,
  };
  await call.core.admission.mutate(attributes);
  await call.core.admission.validate(attributes);
}

type Deletion = { resource: Resource; options: DeleteOptions; nowMs: number };

function markDeleted(stored: KubeObject, deletion: Deletion): KubeObject {
  const next = clone(stored);
  const { metadata } = next;
  const graceS = graceOf(stored, deletion);
  const isFirst = metadata.deletionTimestamp === undefined;
  // A second delete can only shorten the grace.
  if (isFirst || graceS < (metadata.deletionGracePeriodSeconds ?? 0)) {
    metadata.deletionTimestamp = timestamp(deletion.nowMs + graceS * 1000);
    metadata.deletionGracePeriodSeconds = graceS;
    if (isFirst && metadata.generation !== undefined) metadata.generation++;
  }
  const finalizers = new Set(metadata.finalizers ?? []);
  const { propagationPolicy } = deletion.options;
  if (propagationPolicy === 'Orphan') finalizers.add(ORPHAN_FINALIZER);
  if (propagationPolicy === 'Foreground') finalizers.add(FOREGROUND_FINALIZER);
  // The last word on the policy counts.
  if (propagationPolicy && propagationPolicy !== 'Orphan') finalizers.delete(ORPHAN_FINALIZER);
  if (propagationPolicy && propagationPolicy !== 'Foreground') finalizers.delete(FOREGROUND_FINALIZER);
  if (finalizers.size > 0) metadata.finalizers = [...finalizers];
  else delete metadata.finalizers;
  if (deletion.resource.storage === 'namespaces') next['status'] = { ...(next['status'] as object), phase: 'Terminating' };
  return next;
}

// Only pods have grace: those that run somewhere.
function graceOf(object: KubeObject, { resource, options }: Deletion): number {
  if (resource.storage !== 'pods') return 0;
  const spec = object['spec'] as { nodeName?: string; terminationGracePeriodSeconds?: number } | undefined;
  const phase = (object['status'] as { phase?: string } | undefined)?.phase;
  if (!spec?.nodeName || phase === 'Succeeded' || phase === 'Failed') return 0;
  return Math.max(0, options.gracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_S);
}
