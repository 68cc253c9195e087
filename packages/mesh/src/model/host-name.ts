// Host names and visibility, by Istio's rules.

/** A short name (no dot, no wildcard) becomes "name.namespace.svc.domain"; anything else is taken as fully qualified. */
export function resolveHost(host: string, namespace: string, clusterDomain: string): string {
  if (host.includes('.') || host.startsWith('*')) return host.toLowerCase();
  return `${host}.${namespace}.svc.${clusterDomain}`.toLowerCase();
}

export type Exported = { exportTo: readonly string[]; owner: string; fallback: readonly string[] };

/** Whether an object of namespace `owner` may be seen from `namespace`; an empty `exportTo` takes the mesh's default. */
export function isExportedTo({ exportTo, owner, fallback }: Exported, namespace: string): boolean {
  const list = exportTo.length > 0 ? exportTo : fallback;
  return list.some((target) => target === '*' || (target === '.' ? owner === namespace : target === namespace));
}

/** Whether every label of `selector` is on the workload. An empty selector matches everything. */
export function labelsMatch(selector: Readonly<Record<string, string>> | undefined, labels: Readonly<Record<string, string>>): boolean {
  if (!selector) return true;
  return Object.entries(selector).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value);
}
