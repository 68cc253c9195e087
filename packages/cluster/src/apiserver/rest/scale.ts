// The scale subresource: one number of a workload behind a common kind.

import { isObject } from '@lateen/base';
import { compileLabelSelector, formatLabelSelector } from '@lateen/kube';
import type { KubeObject, LabelSelector } from '@lateen/kube/types';
import { type ApiReply, json } from '../http/exchange.ts';
import { builtinSchema } from '../schema/builtin.ts';
import { methodNotAllowed } from '../status.ts';
import { checkShape, contentTypeOf, readObject } from './body.ts';
import { type Call, clone } from './call.ts';
import { readPatch } from './patch.ts';
import { readStored } from './read.ts';
import { updateObject } from './update.ts';

const AUTOSCALING = { apiVersion: 'autoscaling/v1', kind: 'Scale' };

/** GET, PUT and PATCH of …/scale. */
export async function scale(call: Call): Promise<ApiReply> {
  const { method } = call.request;
  if (method === 'GET') return json(200, scaleOf(call, readStored(call)));
  if (method !== 'PUT' && method !== 'PATCH') throw methodNotAllowed(call.resource, method.toLowerCase());
  const expected = { ...AUTOSCALING, schema: builtinSchema('autoscaling/v1', 'Scale') };
  const change = method === 'PATCH' ? readPatch(call, contentTypeOf(call.request.headers)) : undefined;
  const body = change ? undefined : readObject(call, expected);
  const transform = (current: KubeObject): KubeObject => {
    const wanted = change ? checkShape(call, change(scaleOf(call, current)), expected) : (body as KubeObject);
    const next = clone(current);
    const replicas = (wanted['spec'] as { replicas?: number } | undefined)?.replicas ?? 0;
    setAt(next, specPath(call), replicas);
    if (wanted.metadata.resourceVersion) next.metadata.resourceVersion = wanted.metadata.resourceVersion;
    return next;
  };
  const main: Call = { ...call, subresource: undefined };
  return json(200, scaleOf(call, await updateObject(main, { transform, track: true })));
}

const specPath = ({ resource }: Call): string[] => pathOf(resource.custom?.scale?.specReplicasPath ?? '.spec.replicas');
const pathOf = (path: string): string[] => path.split('.').filter((part) => part !== '');

const read = (object: unknown, path: string[]): unknown =>
  path.reduce<unknown>((value, key) => (isObject(value) ? value[key] : undefined), object);

function setAt(object: Record<string, unknown>, path: string[], value: unknown): void {
  const [key = '', ...rest] = path;
  if (rest.length === 0) object[key] = value;
  else {
    if (!isObject(object[key])) object[key] = {};
    setAt(object[key] as Record<string, unknown>, rest, value);
  }
}

function scaleOf(call: Call, object: KubeObject): KubeObject {
  const custom = call.resource.custom?.scale;
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = custom ? read(object, pathOf(custom.labelSelectorPath ?? '')) : read(object, ['spec', 'selector']);
  const selectorText =
    typeof selector === 'string'
      ? selector
      : isObject(selector)
        ? formatLabelSelector(compileLabelSelector(selector as LabelSelector))
        : '';
  return {
    ...AUTOSCALING,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(creationTimestamp ? { creationTimestamp } : {}),
    },
    spec: { replicas: Number(read(object, specPath(call)) ?? 0) },
    status: {
      replicas: Number(read(object, pathOf(custom?.statusReplicasPath ?? '.status.replicas')) ?? 0),
      ...(selectorText === '' ? {} : { selector: selectorText }),
    },
  };
}
