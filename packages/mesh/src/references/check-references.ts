// What an object refers to and the mesh does not have: asked by the validating webhook while the object is applied. Never an
// error, since the other object may come a moment later. Codes and sentences are those of analyze/, which asks the same of all
// objects at once; here the snapshot has the answers, with the proxy's own rules.

import type { Finding, ResourceRef } from '@lateen/api';
import { hostMatches } from '@lateen/base';
import type { KubeObject } from '@lateen/kube/types';
import {
  type Destination,
  type DestinationRule,
  type Gateway,
  keyOf,
  labelsMatch,
  type MeshSnapshot,
  resolveHost,
  type VirtualService,
  type VirtualServiceSpec,
} from '../model/index.ts';
import { MESH_GATEWAY, parseServerHost, resolveGateways, sharedHosts } from '../translate/index.ts';

/** Warnings about this object as it would stand in the snapshot. Kinds without references have none. */
export function checkReferences(object: KubeObject, snapshot: MeshSnapshot): Finding[] {
  switch (object.kind) {
    case 'VirtualService':
      return checkVirtualService(object as KubeObject & VirtualService, snapshot);
    case 'DestinationRule':
      return checkDestinationRule(object as KubeObject & DestinationRule, snapshot);
    case 'Gateway':
      return object.apiVersion.startsWith('networking.istio.io/') ? checkGateway(object as KubeObject & Gateway, snapshot) : [];
    default:
      return [];
  }
}

function checkVirtualService(object: VirtualService, snapshot: MeshSnapshot): Finding[] {
  const resource = resourceOf(object);
  const namespace = object.metadata.namespace ?? 'default';
  const destinations = destinationsOf(object.spec).flatMap(([path, destination]) =>
    checkDestination({ snapshot, namespace, resource }, path, destination),
  );
  const gateways = resolveGateways(object.spec.gateways, namespace)
    .map((name, index) => ({ name, path: `spec.gateways[${index}]` }))
    .filter(({ name }) => name !== MESH_GATEWAY)
    .flatMap((bound) => checkBinding(object, snapshot, bound));
  return [...destinations, ...gateways, ...checkSameHost(object, snapshot)];
}

/** For sidecars, the oldest VirtualService of a host takes it whole; one that comes later has no effect, which nothing else says. */
function checkSameHost(object: VirtualService, snapshot: MeshSnapshot): Finding[] {
  const { clusterDomain } = snapshot.mesh;
  const key = keyOf(object);
  if (!isForSidecars(object)) return [];
  const others = [...snapshot.virtualServices.values()].filter((other) => keyOf(other) !== key && isForSidecars(other));
  return (object.spec.hosts ?? []).flatMap((host, index): Finding[] => {
    const hostname = resolveHost(host, object.metadata.namespace ?? 'default', clusterDomain);
    const other = others.find(
      ({ spec, metadata }) =>
        (spec.hosts ?? []).some((name) => resolveHost(name, metadata.namespace ?? 'default', clusterDomain) === hostname) &&
        meetsInNamespace(object, { spec, metadata }),
    );
    if (!other) return [];
    const message = `VirtualService ${keyOf(other)} defines the same host ${hostname} for sidecars: only the older one takes effect`;
    return [
      {
        code: 'IST0109',
        level: 'warning',
        path: `spec.hosts[${index}]`,
        message,
        fix: 'merge both into one',
        resource: resourceOf(object),
      },
    ];
  });
}

const isForSidecars = ({ spec, metadata }: VirtualService): boolean =>
  resolveGateways(spec.gateways, metadata.namespace ?? 'default').includes(MESH_GATEWAY);

/** Whether some namespace sees both. */
function meetsInNamespace(one: Pick<VirtualService, 'spec' | 'metadata'>, other: Pick<VirtualService, 'spec' | 'metadata'>): boolean {
  const seenBy = ({ spec, metadata }: typeof one) =>
    (spec.exportTo?.length ? spec.exportTo : ['*']).map((namespace) => (namespace === '.' ? (metadata.namespace ?? 'default') : namespace));
  const theirs = seenBy(other);
  return seenBy(one).some((namespace) => namespace === '*' || theirs.includes('*') || theirs.includes(namespace));
}

type Place = { snapshot: MeshSnapshot; namespace: string; resource: ResourceRef };

function checkDestination({ snapshot, namespace, resource }: Place, path: string, { host, subset }: Destination): Finding[] {
  const warn = (field: string, message: string, fix: string): Finding[] => [
    { code: 'IST0101', level: 'warning', path: `${path}.${field}`, message, fix, resource },
  ];
  const hostname = resolveHost(host, namespace, snapshot.mesh.clusterDomain);
  const isKnown = [...snapshot.services.values()].some((service) => hostMatches(service.hostname, hostname));
  if (!isKnown) {
    const fix = `No Service or ServiceEntry is called ${hostname}: requests sent there get 503.`;
    return warn('host', `Referenced host not found: "${host}"`, fix);
  }
  if (!subset) return [];
  const defined = [...snapshot.destinationRules.values()]
    .filter((rule) =>
      hostMatches(resolveHost(rule.spec.host ?? '', rule.metadata.namespace ?? 'default', snapshot.mesh.clusterDomain), hostname),
    )
    .flatMap((rule) => (rule.spec.subsets ?? []).map(({ name }) => name));
  if (defined.includes(subset)) return [];
  const known =
    defined.length > 0 ? `Its subsets are ${[...new Set(defined)].join(', ')}.` : `Define it in a DestinationRule with host: ${host}.`;
  return warn(
    'subset',
    `Referenced host+subset in destinationrule not found: "${host}+${subset}"`,
    `${known} Until then requests sent there get 503.`,
  );
}

function checkBinding(object: VirtualService, snapshot: MeshSnapshot, { name, path }: { name: string; path: string }): Finding[] {
  const resource = resourceOf(object);
  const warn = (finding: Pick<Finding, 'code' | 'path' | 'message'> & { fix: string }): Finding[] => [
    { ...finding, level: 'warning', resource },
  ];
  const gateway = snapshot.gateways.get(name);
  if (!gateway) {
    const fix = 'Without it the rules apply nowhere. Write namespace/name for a gateway of another namespace.';
    return warn({ code: 'IST0101', path, message: `Referenced gateway not found: "${name}"`, fix });
  }
  const namespace = object.metadata.namespace ?? 'default';
  const hosts = (object.spec.hosts ?? []).map((host) => resolveHost(host, namespace, snapshot.mesh.clusterDomain));
  const served = (gateway.spec.servers ?? [])
    .flatMap((server) => (server.hosts ?? []).map((host) => parseServerHost(host, gateway.metadata.namespace ?? 'default')))
    .filter((server) => server.namespace === '*' || server.namespace === namespace);
  const source = { ...resource, apiVersion: object.apiVersion, namespace, resourceVersion: '' };
  const shared = sharedHosts(served, { hosts, source });
  const names = served.map(({ host }) => host).join(', ');
  if (shared.length === 0) {
    const why = `the gateway serves ${names || 'no host that this namespace may use'}, so every request gets 404`;
    const message = `one or more host [${(object.spec.hosts ?? []).join(' ')}] defined in VirtualService ${namespace}/${object.metadata.name} not found in Gateway ${name}: ${why}.`;
    const fix = `Make the hosts of both agree: hosts of the VirtualService, or servers[].hosts of ${name}.`;
    return warn({ code: 'IST0132', path: 'spec.hosts', message, fix });
  }
  if (!hosts.includes('*') || shared.includes('*')) return [];
  return warn({
    code: 'LAT0102',
    path: 'spec.hosts',
    message: `This VirtualService is for every host, but gateway ${name} serves only ${names}: a request with another Host header (a load balancer's name, an address) gets 404.`,
    fix: `Set hosts: ["*"] in the servers of ${name}.`,
  });
}

function checkDestinationRule(object: DestinationRule, snapshot: MeshSnapshot): Finding[] {
  const hostname = resolveHost(object.spec.host ?? '', object.metadata.namespace ?? 'default', snapshot.mesh.clusterDomain);
  const isKnown = [...snapshot.services.values()].some(
    (service) => hostMatches(hostname, service.hostname) || hostMatches(service.hostname, hostname),
  );
  if (isKnown || hostname.startsWith('*')) return [];
  return [
    {
      code: 'IST0174',
      level: 'warning',
      path: 'spec.host',
      message: `The host ${object.spec.host} defined in the DestinationRule does not match any services in the mesh.`,
      resource: resourceOf(object),
    },
  ];
}

function checkGateway(object: Gateway, snapshot: MeshSnapshot): Finding[] {
  const { selector } = object.spec;
  if (!selector || [...snapshot.workloads.values()].some(({ labels }) => labelsMatch(selector, labels))) return [];
  const text = Object.entries(selector)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  return [
    {
      code: 'IST0101',
      level: 'warning',
      path: 'spec.selector',
      message: `Referenced selector not found: "${text}"`,
      fix: 'No pod has these labels.',
      resource: resourceOf(object),
    },
  ];
}

// Every destination with its path.
function destinationsOf(spec: VirtualServiceSpec): [string, Destination][] {
  const routes = (kind: 'http' | 'tls' | 'tcp') =>
    (spec[kind] ?? []).flatMap((rule, index) =>
      (rule.route ?? []).map(({ destination }, at): [string, Destination] => [
        `spec.${kind}[${index}].route[${at}].destination`,
        destination,
      ]),
    );
  const mirrors = (spec.http ?? []).flatMap((rule, index): [string, Destination][] => [
    ...(rule.mirror ? [[`spec.http[${index}].mirror`, rule.mirror] as [string, Destination]] : []),
    ...(rule.mirrors ?? []).map(({ destination }, at): [string, Destination] => [
      `spec.http[${index}].mirrors[${at}].destination`,
      destination,
    ]),
  ]);
  return [...routes('http'), ...mirrors, ...routes('tls'), ...routes('tcp')].filter(([, destination]) => Boolean(destination?.host));
}

function resourceOf(object: Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>): ResourceRef {
  const [namespace] = keyOf(object).split('/', 1);
  return { apiVersion: object.apiVersion, kind: object.kind, ...(namespace && { namespace }), name: object.metadata.name };
}
