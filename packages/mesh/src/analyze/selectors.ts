// Which workloads a selector picks, and whether they are in the mesh.

import type { Workload, World } from './world.ts';

/** Whether `labels` carry every entry of `selector`; an empty selector matches everything. */
export function selects(selector: Record<string, string> | undefined, labels: Record<string, string>): boolean {
  return Object.entries(selector ?? {}).every(([key, value]) => labels[key] === value);
}

/** `a=b,c=d`, as kubectl writes selectors. */
export function selectorText(selector: Record<string, string>): string {
  return Object.entries(selector)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

const INJECT = 'sidecar.istio.io/inject';

/** What the workload itself says about injection: the label wins over the annotation. */
export function injectionWish({ labels, annotations }: Workload): boolean | undefined {
  const text = (labels[INJECT] ?? annotations[INJECT])?.toLowerCase();
  return text === undefined ? undefined : text === 'true';
}

/** Whether a namespace asks for sidecars, by label or revision. */
export function isInjectedNamespace(labels: Record<string, string>): boolean {
  const label = labels['istio-injection'];
  return label === 'enabled' || (label === undefined && labels['istio.io/rev'] !== undefined);
}

export const isAmbientNamespace = (labels: Record<string, string>): boolean =>
  labels['istio.io/dataplane-mode'] === 'ambient' && !isInjectedNamespace(labels);

/** The sidecar container, ordinary or native. */
export function sidecarOf({ spec }: Workload): { name: string; image?: string } | undefined {
  return [...(spec.containers ?? []), ...(spec.initContainers ?? [])].find(({ name }) => name === 'istio-proxy');
}

/** Whether the mesh handles the workload's traffic: a sidecar is there or will be, or its namespace is ambient. */
export function isInMesh(workload: Workload, world: World): boolean {
  if (sidecarOf(workload) || workload.annotations['ambient.istio.io/redirection'] === 'enabled') return true;
  const wish = injectionWish(workload);
  if (wish !== undefined) return wish;
  const labels = world.namespaceLabels(workload.namespace);
  return isInjectedNamespace(labels) || isAmbientNamespace(labels);
}
