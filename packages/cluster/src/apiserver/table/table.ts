// meta.k8s.io/v1 Table, what `kubectl get` prints.

import type { KubeObject, Table } from '@lateen/kube/types';
import type { Resource } from '../registry/resource.ts';

const PARTIAL = { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1' };

/** `includeObject` is the query parameter: Metadata (default), Object or None. */
export function tableOf(
  items: KubeObject[],
  options: { resource: Resource; nowMs: number; includeObject: string | null; metadata: Record<string, unknown> },
): Table {
  const { resource, nowMs, includeObject, metadata } = options;
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: resource.columns.map((column, i) => ({
      name: column.name,
      type: column.type,
      format: column.format ?? (i === 0 ? 'name' : ''),
      description: column.description ?? '',
      priority: column.priority ?? 0,
    })),
    rows: items.map((object) => ({
      cells: resource.columns.map((column) => column.value(object, nowMs) ?? ''),
      ...(includeObject === 'None' ? {} : { object: includeObject === 'Object' ? object : { ...PARTIAL, metadata: object.metadata } }),
    })),
  };
}
