// What form of answer the client wants: JSON, a table, or metadata only.

import type { KubeObject } from '@lateen/kube/types';
import type { Resource } from '../registry/resource.ts';
import { ApiError } from '../status.ts';
import { tableOf } from '../table/table.ts';

export type Form = 'json' | 'table' | 'metadata';

/** Picks the first form of the Accept header that is served. @throws ApiError 406 */
export function negotiate(accept: string | undefined): Form {
  if (accept === undefined || accept.trim() === '') return 'json';
  for (const entry of accept.slice(0, 2000).split(',')) {
    const [type = '', ...parameters] = entry.split(';').map((part) => part.trim());
    if (!['application/json', 'application/*', '*/*'].includes(type)) continue;
    const as = parameters.find((one) => one.startsWith('as='))?.slice(3);
    if (as === 'Table' && parameters.includes('v=v1')) return 'table';
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return 'metadata';
    if (as === undefined) return 'json';
  }
  throw new ApiError(406, 'NotAcceptable', {
    message: 'only the following media types are accepted: application/json',
  });
}

export type Rendering = { form: Form; resource: Resource; nowMs: number; includeObject: string | null };

/** One object in the wanted form. */
export function renderObject(object: KubeObject, rendering: Rendering): unknown {
  if (rendering.form === 'table')
    return tableOf([object], { ...rendering, metadata: { resourceVersion: object.metadata.resourceVersion ?? '' } });
  return rendering.form === 'metadata' ? partial(object) : object;
}

/** A list in the wanted form. */
export function renderList(items: KubeObject[], metadata: Record<string, unknown>, rendering: Rendering): unknown {
  const { form, resource } = rendering;
  if (form === 'table') return tableOf(items, { ...rendering, metadata });
  if (form === 'metadata') return { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata, items: items.map(partial) };
  const apiVersion = resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
  return { kind: resource.listKind, apiVersion, metadata, items };
}

/** Its metadata as a PartialObjectMetadata. */
const partial = (object: KubeObject): unknown => ({
  kind: 'PartialObjectMetadata',
  apiVersion: 'meta.k8s.io/v1',
  metadata: object.metadata,
});
