// VirtualServices with names resolved and delegates folded in, oldest first.

import {
  type ByKey,
  compareAge,
  type Finding,
  type HttpMatchRequest,
  type HttpRoute,
  type ObjectRef,
  refOf,
  resolveHost,
  type StringMatch,
  type VirtualService,
} from '../model/index.ts';

/** A rule with the object that wrote it: a delegate's short names belong to the delegate's namespace. */
export type HttpRule = { route: HttpRoute; source: ObjectRef /** Path in `source`, e.g. `http[0]`. */; path: string };

export type ResolvedVirtualService = {
  object: VirtualService;
  source: ObjectRef;
  hosts: readonly string[];
  /** "mesh" or "namespace/name". */
  gateways: readonly string[];
  http: readonly HttpRule[];
};

export const MESH_GATEWAY = 'mesh';

export type ResolvedRules = { virtualServices: readonly ResolvedVirtualService[]; findings: readonly Finding[] };

const cache = new WeakMap<ByKey<VirtualService>, ResolvedRules>();

/** Resolves all VirtualServices; remembered for as long as the map lives. */
export function resolveVirtualServices(all: ByKey<VirtualService>, clusterDomain: string): ResolvedRules {
  const known = cache.get(all);
  if (known) return known;
  const findings: Finding[] = [];
  const virtualServices = [...all.values()]
    .sort(compareAge)
    // A VirtualService without hosts is a delegate and stands for nothing by itself.
    .filter((object) => (object.spec.hosts ?? []).length > 0)
    .map((object) => {
      const source = refOf(object);
      const namespace = source.namespace;
      return {
        object,
        source,
        hosts: (object.spec.hosts ?? []).map((host) => resolveHost(host, namespace, clusterDomain)),
        gateways: resolveGateways(object.spec.gateways, namespace),
        http: httpRules(object, all, findings),
      };
    });
  const resolved = { virtualServices, findings };
  cache.set(all, resolved);
  return resolved;
}

/** Gateway names as "namespace/name"; none means the mesh. */
export function resolveGateways(names: readonly string[] | undefined, namespace: string): string[] {
  if (!names?.length) return [MESH_GATEWAY];
  return names.map((name) => (name === MESH_GATEWAY || name.includes('/') ? name : `${namespace}/${name}`));
}

function httpRules(object: VirtualService, all: ByKey<VirtualService>, findings: Finding[]): HttpRule[] {
  const source = refOf(object);
  return (object.spec.http ?? []).flatMap((route, index): HttpRule[] => {
    const path = `http[${index}]`;
    if (!route.delegate) return [{ route, source, path }];
    const key = `${route.delegate.namespace || source.namespace}/${route.delegate.name ?? ''}`;
    const delegate = all.get(key);
    if (!delegate || (delegate.spec.hosts ?? []).length > 0) {
      const why = delegate ? 'has hosts of its own, so it cannot be a delegate' : 'does not exist';
      const message = `delegate VirtualService "${key}" ${why}: the rule is left out`;
      findings.push({ code: 'LAT0201', level: 'warning', resource: source, path: `spec.${path}.delegate`, message });
      return [];
    }
    return delegateRules(route, delegate, findings);
  });
}

function delegateRules(root: HttpRoute, delegate: VirtualService, findings: Finding[]): HttpRule[] {
  const source = refOf(delegate);
  return (delegate.spec.http ?? []).flatMap((route, index): HttpRule[] => {
    const path = `http[${index}]`;
    const matches = mergeMatches(root.match, route.match);
    if (matches?.length === 0) {
      const message = 'no match of this delegate rule lies within a match of the root rule: it is left out';
      findings.push({ code: 'LAT0202', level: 'warning', resource: source, path: `spec.${path}.match`, message });
      return [];
    }
    const { match: _own, ...rest } = route;
    return [{ route: matches ? { ...rest, match: matches } : rest, source, path }];
  });
}

function mergeMatches(root: HttpMatchRequest[] | undefined, own: HttpMatchRequest[] | undefined): HttpMatchRequest[] | undefined {
  if (!root?.length) return own;
  if (!own?.length) return root;
  return root.flatMap((outer) => own.map((inner) => mergeMatch(outer, inner)).filter((merged) => merged !== undefined));
}

const STRING_FIELDS = ['uri', 'scheme', 'method', 'authority'] as const;
const MAP_FIELDS = ['headers', 'withoutHeaders', 'queryParams'] as const;

function mergeMatch(outer: HttpMatchRequest, inner: HttpMatchRequest): HttpMatchRequest | undefined {
  const merged: HttpMatchRequest = { ...outer, ...inner };
  for (const field of STRING_FIELDS) {
    const [a, b] = [outer[field], inner[field]];
    if (a && b && !isWithin(b, a)) return undefined;
  }
  for (const field of MAP_FIELDS) {
    const [a, b] = [outer[field], inner[field]];
    if (!a || !b) continue;
    if (Object.keys(a).some((key) => b[key] && !isWithin(b[key], a[key] ?? {}))) return undefined;
    merged[field] = { ...a, ...b };
  }
  if (outer.port !== undefined && inner.port !== undefined && outer.port !== inner.port) return undefined;
  if (outer.name && inner.name) merged.name = `${outer.name}-${inner.name}`;
  return merged;
}

// Whether every string of `inner` is one of `outer`; regular expressions only when they are the same.
function isWithin(inner: StringMatch, outer: StringMatch): boolean {
  if (outer.regex !== undefined || inner.regex !== undefined) return outer.regex === inner.regex;
  if (outer.exact !== undefined) return inner.exact === outer.exact;
  const text = inner.exact ?? inner.prefix ?? '';
  return outer.prefix === undefined || text.startsWith(outer.prefix);
}
