/** Istio's cluster names: DIRECTION|PORT|SUBSET|FQDN; anything else is a name as it stands. */
export type ClusterName = { direction: string; port: number; subset: string; fqdn: string };

export function parseClusterName(name: string): ClusterName {
  const parts = name.split('|');
  if (parts.length < 4) return { direction: '', port: 0, subset: '', fqdn: name };
  const [direction, port, subset, fqdn] = parts as [string, string, string, string];
  return { direction, port: Number(port) || 0, subset, fqdn };
}

/** By FQDN, subset, port, direction. */
export function compareClusterNames(a: string, b: string): number {
  const left = parseClusterName(a);
  const right = parseClusterName(b);
  return (
    compare(left.fqdn, right.fqdn) ||
    compare(left.subset, right.subset) ||
    left.port - right.port ||
    compare(left.direction, right.direction)
  );
}

export const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
