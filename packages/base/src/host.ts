// Host names with Istio's wildcards: "*" and "*.suffix". Compared in lower case.

/** Whether `host` (a concrete or wildcard name) lies within `pattern`. "*.b" matches "a.b" and "*.a.b", not "b". */
export function hostMatches(pattern: string, host: string): boolean {
  const p = pattern.toLowerCase();
  const h = host.toLowerCase();
  if (p === '*' || p === h) return true;
  if (!p.startsWith('*')) return false;
  return h.length >= p.length && h.endsWith(p.slice(1)) && h !== p.slice(2);
}

/** Whether some concrete host matches both patterns. */
export function hostsIntersect(a: string, b: string): boolean {
  return hostMatches(a, b) || hostMatches(b, a);
}

/** The narrower of two intersecting patterns, or undefined when they share no host. */
export function intersectHosts(a: string, b: string): string | undefined {
  if (hostMatches(a, b)) return b;
  if (hostMatches(b, a)) return a;
  return undefined;
}

/** Orders most specific first: concrete before wildcard, longer before shorter, then by name. */
export function compareHostSpecificity(a: string, b: string): number {
  const wildA = a.startsWith('*');
  const wildB = b.startsWith('*');
  if (wildA !== wildB) return wildA ? 1 : -1;
  if (a.length !== b.length) return b.length - a.length;
  return a < b ? -1 : a > b ? 1 : 0;
}
