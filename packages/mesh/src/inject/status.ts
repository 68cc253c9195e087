// The annotation sidecar.istio.io/status: what injection added. It makes a second injection replace instead of add.

import { isObject } from '@lateen/base';
import type { PodSpec } from '@lateen/kube/types';

export const STATUS = 'sidecar.istio.io/status';

export type InjectionStatus = { initContainers: string[]; containers: string[]; volumes: string[]; imagePullSecrets: string[] };

/** What the template added, as JSON; empty lists are null, as Go writes them. */
export function formatStatus(template: Partial<PodSpec>, revision: string): string {
  const names = (list: { name?: string }[] | undefined) => (list && list.length > 0 ? list.map(({ name }) => name) : null);
  return JSON.stringify({
    initContainers: names(template.initContainers),
    containers: names(template.containers),
    volumes: names(template.volumes),
    imagePullSecrets: names(template.imagePullSecrets),
    revision: revision || 'default',
  });
}

/** Undefined when the pod was never injected; an unreadable annotation counts as an injection that added nothing. */
export function parseStatus(annotations: Record<string, string> | undefined): InjectionStatus | undefined {
  const text = annotations?.[STATUS];
  if (text === undefined) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = {};
  }
  const names = (key: string): string[] => {
    const list = isObject(parsed) ? parsed[key] : undefined;
    return Array.isArray(list) ? list.filter((name): name is string => typeof name === 'string') : [];
  };
  return {
    initContainers: names('initContainers'),
    containers: names('containers'),
    volumes: names('volumes'),
    imagePullSecrets: names('imagePullSecrets'),
  };
}
