// Translations by scope, encoded once and shared. What proxies need as clients is the same for nearly all workloads of a
// namespace, so it is kept apart from what each serves; an endpoint change translates only the endpoints of the services it
// touched.

import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { type Finding, type MeshSnapshot, serviceKey } from '@lateen/mesh';
import {
  clientScope,
  type ProxyScope,
  parseClusterName,
  scopeKey,
  type Translation,
  translateClient,
  translateOnlyEndpoints,
  translateServer,
} from '@lateen/mesh/translate';
import { ClusterLoadAssignmentSchema, ClusterSchema, ListenerSchema, RouteConfigurationSchema } from '@lateen/xds/messages/config';
import {
  CLUSTER_TYPE,
  ENDPOINT_TYPE,
  type EncodedResource,
  encodeResource,
  LISTENER_TYPE,
  type ResourceSet,
  type ResourcesOfType,
  ROUTE_TYPE,
} from '@lateen/xds/server';

export type ScopeConfiguration = { resources: ResourceSet; findings: readonly Finding[] };

export type ConfigurationCache = {
  get(snapshot: MeshSnapshot, scope: ProxyScope): ScopeConfiguration;
  /** Forgets scopes that nobody has asked about since the last call. */
  sweep(): void;
  readonly size: number;
};

type Entry = ScopeConfiguration & { snapshot: MeshSnapshot; isUsed: boolean };
type Half = 'client' | 'server' | 'whole';

export function createConfigurationCache(): ConfigurationCache {
  const entries = new Map<string, Entry>();

  const cached = (half: Half, place: Place, compute: (previous: Entry | undefined) => ScopeConfiguration): ScopeConfiguration => {
    const key = `${half} ${scopeKey(place.scope)}`;
    const previous = entries.get(key);
    const entry = previous?.snapshot === place.snapshot ? previous : { ...compute(previous), snapshot: place.snapshot, isUsed: true };
    entry.isUsed = true;
    entries.set(key, entry);
    return entry;
  };
  const client = (place: Place): ScopeConfiguration =>
    cached('client', place, (previous) => {
      const services = previous && changedServices(previous.snapshot, place.snapshot);
      return services ? updateEndpoints(previous, place, services) : encodeAll(previous, translateClient(place.snapshot, place.scope));
    });
  const server = (place: Place): ScopeConfiguration =>
    cached('server', place, (previous) =>
      previous && changedServices(previous.snapshot, place.snapshot)
        ? previous
        : encodeAll(previous, translateServer(place.snapshot, place.scope)),
    );
  return {
    get: (snapshot, scope) =>
      cached('whole', { snapshot, scope }, (previous) =>
        join(previous, client({ snapshot, scope: clientScope(snapshot, scope) }), server({ snapshot, scope })),
      ),
    sweep() {
      for (const [key, entry] of entries) {
        if (!entry.isUsed) entries.delete(key);
        entry.isUsed = false;
      }
    },
    get size() {
      return entries.size;
    },
  };
}

type Place = { snapshot: MeshSnapshot; scope: ProxyScope };

function encodeAll(
  previous: ScopeConfiguration | undefined,
  result: Partial<Translation> & Pick<Translation, 'findings'>,
): ScopeConfiguration {
  const resources = new Map<string, ResourcesOfType>();
  const encode = <Desc extends DescMessage>(typeUrl: string, schema: Desc, named: [string, MessageShape<Desc>][]): void => {
    const encoded = named.map(([name, message]) => encodeResource(name, schema, message));
    resources.set(typeUrl, share(previous?.resources.get(typeUrl), encoded));
  };
  encode(
    CLUSTER_TYPE,
    ClusterSchema,
    (result.clusters ?? []).map((cluster) => [cluster.name, cluster]),
  );
  encode(
    ENDPOINT_TYPE,
    ClusterLoadAssignmentSchema,
    (result.endpoints ?? []).map((assignment) => [assignment.clusterName, assignment]),
  );
  encode(
    LISTENER_TYPE,
    ListenerSchema,
    (result.listeners ?? []).map((listener) => [listener.name, listener]),
  );
  encode(
    ROUTE_TYPE,
    RouteConfigurationSchema,
    (result.routes ?? []).map((routes) => [routes.name, routes]),
  );
  return { resources: shareSet(previous?.resources, resources), findings: result.findings };
}

function updateEndpoints(previous: ScopeConfiguration, { snapshot, scope }: Place, services: ReadonlySet<string>): ScopeConfiguration {
  const known = previous.resources.get(ENDPOINT_TYPE) ?? new Map<string, EncodedResource>();
  const touched = [...known.keys()].filter((name) => services.has(parseClusterName(name)?.hostname ?? ''));
  if (touched.length === 0) return previous;
  const next = new Map(known);
  for (const assignment of translateOnlyEndpoints(snapshot, scope, touched)) {
    next.set(assignment.clusterName, encodeResource(assignment.clusterName, ClusterLoadAssignmentSchema, assignment));
  }
  const resources = new Map(previous.resources).set(ENDPOINT_TYPE, share(known, [...next.values()]));
  return { resources: shareSet(previous.resources, resources), findings: previous.findings };
}

function join(previous: ScopeConfiguration | undefined, client: ScopeConfiguration, server: ScopeConfiguration): ScopeConfiguration {
  const resources = new Map(client.resources);
  for (const [typeUrl, own] of server.resources) {
    if (own.size > 0)
      resources.set(
        typeUrl,
        share(previous?.resources.get(typeUrl), [...(client.resources.get(typeUrl)?.values() ?? []), ...own.values()]),
      );
  }
  return { resources: shareSet(previous?.resources, resources), findings: [...client.findings, ...server.findings] };
}

// Equal content is the same object, so that an unchanged set is recognised by identity.
function share(previous: ResourcesOfType | undefined, encoded: readonly EncodedResource[]): ResourcesOfType {
  const next = new Map(
    encoded.map((resource) => {
      const old = previous?.get(resource.name);
      return [resource.name, old?.version === resource.version ? old : resource];
    }),
  );
  const isSame = previous?.size === next.size && [...next].every(([name, resource]) => previous.get(name) === resource);
  return isSame ? previous : next;
}

const shareSet = (previous: ResourceSet | undefined, next: ResourceSet): ResourceSet =>
  previous && [...next].every(([typeUrl, resources]) => previous.get(typeUrl) === resources) ? previous : next;

// The hostnames whose endpoints alone differ, or undefined when more than endpoints changed. Endpoints of headless services
// make listeners, and a named target port is found in them.
function changedServices(before: MeshSnapshot, after: MeshSnapshot): Set<string> | undefined {
  const configuration = [
    'mesh',
    'namespaces',
    'services',
    'virtualServices',
    'destinationRules',
    'gateways',
    'sidecars',
    'telemetries',
  ] as const;
  if (configuration.some((field) => before[field] !== after[field])) return undefined;
  const hostnames = new Set<string>();
  if (before.endpoints === after.endpoints) return hostnames;
  for (const service of after.services.values()) {
    const key = serviceKey(service);
    if (before.endpoints.get(key) === after.endpoints.get(key)) continue;
    if (service.isHeadless || service.ports.some((port) => typeof port.targetPort === 'string')) return undefined;
    hostnames.add(service.hostname);
  }
  return hostnames;
}
