// Events are stored in their core form; events.k8s.io names the same fields differently.

import type { KubeObject } from '@lateen/kube/types';

const RENAMED: readonly [stored: string, served: string][] = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
  ['reportingComponent', 'reportingController'],
];

export const eventFromStorage = (object: KubeObject): KubeObject => rename(object, { apiVersion: 'events.k8s.io/v1', pairs: RENAMED });
export const eventToStorage = (object: KubeObject): KubeObject =>
  rename(object, { apiVersion: 'v1', pairs: RENAMED.map(([stored, served]) => [served, stored] as const) });

function rename(object: KubeObject, to: { apiVersion: string; pairs: readonly (readonly [string, string])[] }): KubeObject {
  const names = new Map(to.pairs);
  const renamed = Object.fromEntries(Object.entries(object).map(([key, value]) => [names.get(key) ?? key, value]));
  return { ...renamed, apiVersion: to.apiVersion } as KubeObject;
}
