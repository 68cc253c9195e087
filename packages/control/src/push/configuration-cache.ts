// Translations by scope, encoded once and shared by every proxy of the scope. An endpoint change translates only the
// endpoints of the services it touched.

import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { type Finding, type MeshSnapshot, serviceKey } from '@lateen/mesh';
import { type ProxyScope, parseClusterName, scopeKey, translate, translateOnlyEndpoints } from '@lateen/mesh/translate';
import { ClusterLoadAssignmentSchema, ClusterSchema, ListenerSchema, RouteConfigurationSchema } from '@lateen/xds/messages';
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

export function createConfigurationCache(): ConfigurationCache {
  const entries = new Map<string, Entry>();
  return {
    get(snapshot, scope) {
      const key = scopeKey(scope);
      const entry = entries.get(key);
      if (entry?.snapshot === snapshot) {
        entry.isUsed = true;
        return entry;
      }
      const services = entry && changedServices(entry.snapshot, snapshot);
      const next = services ? updateEndpoints(entry, { snapshot, scope, services }) : translateAll(entry, { snapshot, scope });
      entries.set(key, { ...next, snapshot, isUsed: true });
      return next;
    },
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

function translateAll(previous: ScopeConfiguration | undefined, { snapshot, scope }: Place): ScopeConfiguration {
  const result = translate(snapshot, scope);
  const resources = new Map<string, ResourcesOfType>();
  const encode = <Desc extends DescMessage>(typeUrl: string, schema: Desc, named: [string, MessageShape<Desc>][]): void => {
    resources.set(
      typeUrl,
      share(
        previous?.resources.get(typeUrl),
        named.map(([name, message]) => encodeResource(name, schema, message)),
      ),
    );
  };
  encode(
    CLUSTER_TYPE,
    ClusterSchema,
    result.clusters.map((cluster) => [cluster.name, cluster]),
  );
  encode(
    ENDPOINT_TYPE,
    ClusterLoadAssignmentSchema,
    result.endpoints.map((assignment) => [assignment.clusterName, assignment]),
  );
  encode(
    LISTENER_TYPE,
    ListenerSchema,
    result.listeners.map((listener) => [listener.name, listener]),
  );
  encode(
    ROUTE_TYPE,
    RouteConfigurationSchema,
    result.routes.map((routes) => [routes.name, routes]),
  );
  return { resources: shareSet(previous?.resources, resources), findings: result.findings };
}

function updateEndpoints(
  previous: ScopeConfiguration,
  { snapshot, scope, services }: Place & { services: ReadonlySet<string> },
): ScopeConfiguration {
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
  for (const service of after.services.values()) {
    const key = serviceKey(service);
    if (before.endpoints.get(key) === after.endpoints.get(key)) continue;
    if (service.isHeadless || service.ports.some((port) => typeof port.targetPort === 'string')) return undefined;
    hostnames.add(service.hostname);
  }
  return hostnames;
}
