// create: from the decoded object to the stored one.

import type { KubeObject } from '@lateen/kube/types';
import { trackUpdate } from '../apply/managed-fields.ts';
import { type ApiReply, json } from '../http/exchange.ts';
import { apiVersionOf } from '../registry/resource.ts';
import { alreadyExists, badRequest, forbidden, internalError, invalid, notFound } from '../status.ts';
import { validateMetadata } from '../validation/metadata.ts';
import { readObject } from './body.ts';
import { type Call, keyOf, timestamp } from './call.ts';
import { renderObject } from './negotiate.ts';
import { renderingOf } from './read.ts';
import { initialFinalizers, initialStatus, tracksGeneration } from './strategy.ts';

/** POST to a collection. */
export async function create(call: Call): Promise<ApiReply> {
  const object = readObject(call);
  const created = await createObject(call, object, { track: true });
  return json(201, renderObject(call.resource.fromStorage(created), renderingOf(call)));
}

const NAME_TRIES = 8;

/**
 * Admits, validates and stores a new object. `track` is false when the caller (server-side apply) wrote the managed fields itself.
 * @throws ApiError
 */
export async function createObject(call: Call, draft: KubeObject, { track }: { track: boolean }): Promise<KubeObject> {
  const { core, resource } = call;
  placeInNamespace(call, draft);
  requireLiveNamespace(call);
  const generateName = draft.metadata.name ? '' : (draft.metadata.generateName ?? '');
  if (draft.metadata.resourceVersion) throw badRequest('resourceVersion should not be set on objects to be created');
  for (let tries = 1; ; tries++) {
    const object = structuredClone(draft);
    if (generateName !== '') object.metadata.name = `${generateName.slice(0, 58)}${core.randomSuffix(5)}`;
    stampNew(call, object);
    const admitted = await admitNew(call, object, { track });
    const key = keyOf(resource, call.namespace, admitted.metadata.name);
    if (core.store.get(key)) {
      if (generateName !== '' && tries < NAME_TRIES) continue;
      throw alreadyExists(resource, admitted.metadata.name);
    }
    if (call.options.dryRun) return admitted;
    const result = core.store.put(key, resource.toStorage(admitted), 'absent');
    if (result.ok) return result.object;
    if (generateName === '' || tries >= NAME_TRIES) throw alreadyExists(resource, admitted.metadata.name);
  }
}

function placeInNamespace(call: Call, object: KubeObject): void {
  if (!call.resource.namespaced) {
    delete object.metadata.namespace;
    return;
  }
  if (call.namespace === undefined) throw badRequest('an object of a namespaced resource must be created in a namespace');
  const own = object.metadata.namespace;
  if (own !== undefined && own !== '' && own !== call.namespace) {
    throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`);
  }
  object.metadata.namespace = call.namespace;
}

function requireLiveNamespace({ core, resource, namespace }: Call): void {
  if (namespace === undefined || !resource.namespaced) return;
  const found = core.store.get({ resource: 'namespaces', namespace: '', name: namespace });
  if (!found) throw notFound({ group: '', plural: 'namespaces' }, namespace);
  if (found.metadata.deletionTimestamp) {
    throw forbidden(resource, '', `unable to create new content in namespace ${namespace} because it is being terminated`);
  }
}

function stampNew({ core, resource }: Call, object: KubeObject): void {
  const { metadata } = object;
  metadata.uid = core.newUid();
  metadata.creationTimestamp = timestamp(core.clock.now());
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
  delete metadata.generation;
  if (tracksGeneration(resource)) metadata.generation = 1;
  const finalizers = new Set([...(metadata.finalizers ?? []), ...initialFinalizers(resource)]);
  if (finalizers.size > 0) metadata.finalizers = [...finalizers];
  // Held until the namespace controller has emptied it.
  if (resource.storage === 'namespaces') object['spec'] = { finalizers: ['kubernetes'] };
  if (resource.subresources.has('status')) {
    const status = initialStatus(object, timestamp(core.clock.now()));
    if (status === undefined) delete object['status'];
    else object['status'] = status;
  }
}

async function admitNew(call: Call, object: KubeObject, { track }: { track: boolean }): Promise<KubeObject> {
  const { core, resource } = call;
  resource.applyDefaults(object);
  const attributes = {
    operation: 'CREATE' as const,
    resource,
    subresource: undefined,
    namespace: call.namespace,
    name: object.metadata.name,
    oldObject: undefined,
    user: call.request.user,
    dryRun: call.options.dryRun,
    options: optionsObject(call, 'CreateOptions'),
    warnings: call.warnings,
  };
  const admitted = await core.admission.mutate({ ...attributes, object });
  if (!admitted) throw internalError('admission lost the object');
  resource.applyDefaults(admitted);
  const errors = [...validateMetadata(resource, admitted), ...resource.validate(admitted, undefined)];
  if (errors.length > 0) throw invalid(resource, admitted.metadata.name, errors);
  if (track) {
    trackUpdate({
      live: undefined,
      next: admitted,
      schema: resource.schema,
      manager: call.options.fieldManager,
      apiVersion: apiVersionOf(resource),
      subresource: undefined,
      time: timestamp(core.clock.now()),
    });
  }
  await core.admission.validate({ ...attributes, object: admitted });
  return admitted;
}

/** What webhooks see of the request's options. */
export const optionsObject = (call: Call, kind: 'CreateOptions' | 'UpdateOptions' | 'DeleteOptions'): Record<string, unknown> => ({
  kind,
  apiVersion: 'meta.k8s.io/v1',
  ...(kind === 'DeleteOptions' ? {} : { fieldManager: call.options.fieldManager, fieldValidation: call.options.fieldValidation }),
  ...(call.options.dryRun ? { dryRun: ['All'] } : {}),
});
