// Server-side apply: the request around `applyConfiguration`.

import { isObject } from '@lateen/base';
import type { KubeObject } from '@lateen/kube/types';
import { applyConfiguration, type Conflict, type Manager } from '../apply/managed-fields.ts';
import { findDuplicateItem } from '../apply/merge.ts';
import { type ApiReply, json } from '../http/exchange.ts';
import { apiVersionOf } from '../registry/resource.ts';
import { ApiError, badRequest } from '../status.ts';
import { checkShape, parseText } from './body.ts';
import { type Call, clone, keyOf, timestamp } from './call.ts';
import { createObject } from './create.ts';
import { renderObject } from './negotiate.ts';
import { renderingOf } from './read.ts';
import { updateObject } from './update.ts';

/** PATCH with an apply configuration; creates the object when it is missing. */
export async function applyPatch(call: Call): Promise<ApiReply> {
  const { core, resource, options } = call;
  if (!call.request.query.get('fieldManager'))
    throw badRequest('PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch');
  const config = readConfiguration(call);
  const manager: Manager = {
    manager: options.fieldManager,
    apiVersion: apiVersionOf(resource),
    subresource: call.subresource,
    time: timestamp(core.clock.now()),
  };
  const apply = (live: KubeObject | undefined): KubeObject => {
    const applied = applyConfiguration({ ...manager, live, config, schema: resource.schema, force: options.force });
    if (!applied.ok) throw conflictError(applied.conflicts, manager.apiVersion);
    return clone(applied.object);
  };
  if (!core.store.get(keyOf(resource, call.namespace, call.name ?? '')) && !call.subresource) {
    const created = await createObject(call, apply(undefined), { track: false });
    return json(201, renderObject(resource.fromStorage(created), renderingOf(call)));
  }
  const updated = await updateObject(call, { transform: apply, track: false });
  return json(200, renderObject(resource.fromStorage(updated), renderingOf(call)));
}

function readConfiguration(call: Call): KubeObject {
  const { resource } = call;
  const value = parseText(call.request.body, 'yaml');
  if (!isObject(value)) throw badRequest('the apply configuration must be an object');
  const apiVersion = apiVersionOf(resource);
  if (value['apiVersion'] !== apiVersion || value['kind'] !== resource.kind) {
    throw badRequest(`the apply configuration must have apiVersion ${apiVersion} and kind ${resource.kind}`);
  }
  const config = checkShape(call, value, { apiVersion, kind: resource.kind, schema: resource.schema });
  if (config.metadata.managedFields) throw badRequest('metadata.managedFields must be nil');
  config.metadata.name ||= call.name ?? '';
  // Each endpoint has its part of the object.
  if (call.subresource === 'status') {
    for (const key of Object.keys(config)) if (!['apiVersion', 'kind', 'metadata', 'status'].includes(key)) delete config[key];
  } else if (resource.subresources.has('status')) delete config['status'];
  const duplicate = findDuplicateItem(config, resource.schema);
  if (duplicate !== undefined) throw badRequest(`failed to create typed patch object: ${duplicate}: duplicate entries for key`);
  return config;
}

function conflictError(conflicts: Conflict[], apiVersion: string): ApiError {
  const total = conflicts.reduce((sum, one) => sum + one.paths.length, 0);
  const owner = (one: Conflict) =>
    `with ${JSON.stringify(one.manager)}${one.subresource ? ` with subresource ${JSON.stringify(one.subresource)}` : ''}${one.operation === 'Update' ? ` using ${apiVersion}` : ''}`;
  const list =
    total === 1
      ? conflicts.map((one) => `conflict ${owner(one)}: ${one.paths[0]}`).join('')
      : conflicts.map((one) => `conflicts ${owner(one)}:\n${one.paths.map((path) => `- ${path}`).join('\n')}`).join('\n');
  return new ApiError(409, 'Conflict', {
    message: `Apply failed with ${total} conflict${total === 1 ? '' : 's'}: ${list}`,
    details: {
      causes: conflicts.flatMap((one) =>
        one.paths.map((field) => ({ reason: 'FieldManagerConflict', message: `conflict ${owner(one)}`, field })),
      ),
    },
  });
}
