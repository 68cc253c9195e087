// Turns the table of built-in kinds into resources.

import type { KubeObject } from '@lateen/kube/types';
import { parseApiVersion } from '@lateen/kube/types';
import { DEFAULTS } from '../defaults/index.ts';
import { builtinSchema } from '../schema/builtin.ts';
import { columnsOf } from '../table/builtin-columns.ts';
import { VALIDATORS } from '../validation/index.ts';
import { autoscalerFromStorage, autoscalerToStorage } from './autoscaler-conversion.ts';
import { BUILTIN_TABLE, type BuiltinLine } from './builtin-table.ts';
import { eventFromStorage, eventToStorage } from './event-conversion.ts';
import { ALL_VERBS, type Resource, type Subresource } from './resource.ts';

const READ_WRITE = ['get', 'patch', 'update'];
const EXTRA_SUBRESOURCES: Record<string, Record<string, Subresource>> = {
  pods: {
    attach: { kind: 'PodAttachOptions', verbs: ['create', 'get'] },
    binding: { kind: 'Binding', verbs: ['create'] },
    ephemeralcontainers: { kind: 'Pod', verbs: READ_WRITE },
    eviction: { kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] },
    exec: { kind: 'PodExecOptions', verbs: ['create', 'get'] },
    log: { kind: 'Pod', verbs: ['get'] },
    portforward: { kind: 'PodPortForwardOptions', verbs: ['create', 'get'] },
    proxy: { kind: 'PodProxyOptions', verbs: ['create', 'delete', 'get', 'patch', 'update'] },
  },
  namespaces: { finalize: { kind: 'Namespace', verbs: ['update'] } },
  serviceaccounts: { token: { kind: 'TokenRequest', group: 'authentication.k8s.io', version: 'v1', verbs: ['create'] } },
};

/** Every built-in resource. */
export const builtinResources = (): Resource[] => BUILTIN_TABLE.map(resourceOf);

function resourceOf(line: BuiltinLine): Resource {
  const { group, version } = parseApiVersion(line.apiVersion);
  const subresources = new Map(Object.entries(group === '' ? (EXTRA_SUBRESOURCES[line.plural] ?? {}) : {}));
  if (line.status) subresources.set('status', { kind: line.kind, verbs: READ_WRITE });
  if (line.scale) subresources.set('scale', { kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: READ_WRITE });
  const conversion = CONVERSIONS[`${line.apiVersion} ${line.kind}`];
  return {
    group,
    version,
    plural: line.plural,
    singular: line.kind.toLowerCase(),
    kind: line.kind,
    listKind: `${line.kind}List`,
    namespaced: !line.cluster,
    shortNames: line.short ?? [],
    categories: line.categories ?? [],
    verbs: line.review ? ['create'] : ALL_VERBS,
    subresources,
    schema: builtinSchema(line.apiVersion, line.kind),
    storage: line.storage ?? (group === '' ? line.plural : `${line.plural}.${group}`),
    custom: undefined,
    columns: columnsOf(line.kind),
    applyDefaults: (object) => DEFAULTS[line.kind]?.(object),
    validate: (object, old) => VALIDATORS[line.kind]?.(object, old) ?? [],
    fromStorage: conversion?.fromStorage ?? same,
    toStorage: conversion?.toStorage ?? same,
  };
}

// Kinds with a second form; all others are stored as they are served.
const CONVERSIONS: Record<string, Pick<Resource, 'fromStorage' | 'toStorage'>> = {
  'events.k8s.io/v1 Event': { fromStorage: eventFromStorage, toStorage: eventToStorage },
  'autoscaling/v1 HorizontalPodAutoscaler': { fromStorage: autoscalerFromStorage, toStorage: autoscalerToStorage },
};

const same = (object: KubeObject): KubeObject => object;
