// What this version of the mesh accepts and stores but does not act on: said when the object is applied, so that nobody relies
// on it.

import type { Finding, ResourceRef } from '@lateen/api';
import { isObject } from '@lateen/base';
import type { KubeObject } from '@lateen/kube/types';
import type { Gateway } from '../model/index.ts';
import { FIELD_GAPS, type Gap, KINDS_WITHOUT_EFFECT, MESH_CONFIG_GAPS } from './gaps.ts';

/** Warnings (LAT0210) about the kind or the fields of this object that have no effect yet. */
export function checkSupport(object: KubeObject): Finding[] {
  const [group = ''] = object.apiVersion.split('/');
  const { kind, metadata } = object;
  const resource: ResourceRef = {
    apiVersion: object.apiVersion,
    kind,
    ...(metadata.namespace && { namespace: metadata.namespace }),
    name: metadata.name,
  };
  const warn = (path: string, message: string): Finding => ({ code: 'LAT0210', level: 'warning', path, message, resource });
  if (group === 'networking.k8s.io' && kind === 'Ingress' && isOurs(object))
    return [warn('', 'Ingress is not supported yet: no traffic is routed by it. Use Gateway and VirtualService')];
  if (group === 'gateway.networking.k8s.io' && kind !== 'GatewayClass' && kind !== 'ReferenceGrant' && isOurs(object))
    return [warn('', `${kind} of the Gateway API is not supported yet: this mesh routes nothing by it. Use Gateway and VirtualService`)];
  if (!group.endsWith('.istio.io')) return [];
  const consequence = Object.hasOwn(KINDS_WITHOUT_EFFECT, kind) ? KINDS_WITHOUT_EFFECT[kind] : undefined;
  if (consequence) return [warn('', `${kind} is stored but not supported yet: ${consequence}`)];
  const gaps = Object.hasOwn(FIELD_GAPS, kind) ? (FIELD_GAPS[kind] ?? []) : [];
  return [
    ...(kind === 'Gateway' ? serverTlsGaps(object as KubeObject & Gateway) : []),
    ...gaps.flatMap((gap) => pathsOf(object['spec'], gap, 'spec').map((path) => ({ path, what: gap.what }))),
  ].map(({ path, what }) => warn(path, sentence(what)));
}

/** Warnings (LAT0210) about fields of MeshConfig, as written, that have no effect yet. */
export function checkMeshConfigSupport(config: unknown): Finding[] {
  const resource: ResourceRef = { kind: 'MeshConfig', name: 'mesh' };
  return MESH_CONFIG_GAPS.flatMap((gap) =>
    pathsOf(config, gap, '').map((path): Finding => ({ code: 'LAT0210', level: 'warning', path, message: sentence(gap.what), resource })),
  );
}

const sentence = (what: string): string => `${what} is not supported yet and has no effect`;

const ISTIO_CLASSES = new Set(['istio', 'istio-remote', 'istio-waypoint']);

// What names another controller's class is that controller's business.
function isOurs({ metadata, spec }: KubeObject): boolean {
  const { ingressClassName, gatewayClassName } = isObject(spec) ? spec : {};
  const name = ingressClassName ?? gatewayClassName ?? metadata.annotations?.['kubernetes.io/ingress.class'];
  return name === undefined || ISTIO_CLASSES.has(String(name));
}

const serverTlsGaps = ({ spec }: Gateway): { path: string; what: string }[] =>
  (spec?.servers ?? []).flatMap(({ tls, port }, index) => {
    const mode = tls?.mode ?? (port?.protocol?.toUpperCase() === 'HTTPS' ? 'SIMPLE' : 'PASSTHROUGH');
    return mode === 'PASSTHROUGH'
      ? []
      : [{ path: `spec.servers[${index}].tls`, what: `TLS mode ${mode} of a gateway server (its port stays closed)` }];
  });

/** Where in `root` the gap's path leads to something that the gap speaks of. */
function pathsOf(root: unknown, { path, applies = isPresent }: Gap, start: string): string[] {
  let found: [path: string, value: unknown][] = [[start, root]];
  for (const step of path.split('.')) {
    const isEach = step.endsWith('[]');
    const name = isEach ? step.slice(0, -2) : step;
    found = found.flatMap(([at, value]): [string, unknown][] => {
      const next = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
      const here = at === '' ? name : `${at}.${name}`;
      if (!isEach) return [[here, next]];
      return Array.isArray(next) ? next.map((entry, index): [string, unknown] => [`${here}[${index}]`, entry]) : [];
    });
  }
  return found.filter(([, value]) => value !== undefined && value !== null && applies(value)).map(([at]) => at);
}

// Empty lists and maps say nothing.
const isPresent = (value: unknown): boolean =>
  Array.isArray(value) ? value.length > 0 : isObject(value) ? Object.keys(value).length > 0 : true;
