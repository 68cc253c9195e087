// Objects -> MeshSnapshot, incrementally: only what a change touches is derived again, everything else is shared with the
// snapshot before by identity. Deriving again to an equal value keeps the old one, so that a heartbeat changes nothing.

import { jsonEqual } from '@lateen/base';
import type { EndpointSlice, KubeObject, Node, Pod, Service } from '@lateen/kube/types';
import {
  type ByKey,
  EMPTY_SNAPSHOT,
  keyOf,
  labelsMatch,
  type MeshConfig,
  type MeshService,
  type MeshSnapshot,
  type ServiceEntry,
  serviceKey,
  type Workload,
  type WorkloadEntry,
} from '../model/index.ts';
import { ingestEndpoints } from './endpoints.ts';
import { ingestService } from './service.ts';
import { endpointsOf, ingestServiceEntry, ingestWorkloadEntry, staticEndpoints } from './service-entry.ts';
import { ingestPod } from './workload.ts';

export type ObjectChange = { type: 'apply'; object: KubeObject } | { type: 'delete'; object: Pick<KubeObject, 'kind' | 'metadata'> };

/** Kinds kept as they are, by the snapshot's field. */
const TYPED_KINDS = {
  Namespace: 'namespaces',
  VirtualService: 'virtualServices',
  DestinationRule: 'destinationRules',
  Gateway: 'gateways',
  Sidecar: 'sidecars',
  Telemetry: 'telemetries',
  ProxyConfig: 'proxyConfigs',
} as const;

/** Kinds the mesh reads; a source need not watch any other. */
export const INGESTED_KINDS = [
  'Service',
  'EndpointSlice',
  'Pod',
  'Node',
  'ServiceEntry',
  'WorkloadEntry',
  ...(Object.keys(TYPED_KINDS) as (keyof typeof TYPED_KINDS)[]),
] as const;

/** The snapshot after `changes`. Returns `previous` itself when they change nothing the mesh reads. */
export function ingest(previous: MeshSnapshot, changes: readonly ObjectChange[]): MeshSnapshot {
  const draft = createDraft(previous);
  for (const change of changes) draft.apply(change);
  return draft.finish();
}

/** A snapshot of all these objects. */
export function ingestAll(objects: Iterable<KubeObject>, mesh?: MeshConfig): MeshSnapshot {
  const empty = mesh ? { ...EMPTY_SNAPSHOT, mesh } : EMPTY_SNAPSHOT;
  return ingest(
    empty,
    [...objects].map((object) => ({ type: 'apply', object })),
  );
}

/** The snapshot under another mesh configuration. */
export function withMeshConfig(snapshot: MeshSnapshot, mesh: MeshConfig): MeshSnapshot {
  if (jsonEqual(snapshot.mesh, mesh)) return snapshot;
  if (snapshot.mesh.clusterDomain === mesh.clusterDomain) return { ...snapshot, mesh };
  return ingestAll(
    [...snapshot.objects.values()].flatMap((byKey) => [...byKey.values()]),
    mesh,
  );
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function createDraft(previous: MeshSnapshot) {
  const next: Mutable<MeshSnapshot> = { ...previous };
  const copied = new Map<ByKey<unknown>, Map<string, unknown>>();
  const dirtyServices = new Set<string>();
  let isChanged = false;

  // Copies a map the first time it is written to.
  const edit = <T>(field: ByKey<T>, assign: (copy: Map<string, T>) => void): Map<string, T> => {
    const known = copied.get(field);
    if (known) return known as Map<string, T>;
    const copy = new Map(field);
    copied.set(copy, copy);
    assign(copy);
    isChanged = true;
    return copy;
  };
  const put = <T>(map: ByKey<T>, assign: (copy: Map<string, T>) => void, [key, value]: [string, T | undefined]): boolean => {
    const old = map.get(key);
    if (value === undefined ? old === undefined : jsonEqual(old, value)) return false;
    const copy = edit(map, assign);
    if (value === undefined) copy.delete(key);
    else copy.set(key, value);
    return true;
  };

  const ownKinds = new Map<string, Map<string, KubeObject>>();
  const putObject = (kind: string, key: string, object: KubeObject | undefined): KubeObject | undefined => {
    let byKey = ownKinds.get(kind);
    if (!byKey) {
      byKey = new Map(next.objects.get(kind));
      ownKinds.set(kind, byKey);
      next.objects = new Map(next.objects).set(kind, byKey);
    }
    const old = byKey.get(key);
    if (object) byKey.set(key, object);
    else byKey.delete(key);
    return old;
  };
  const putService = (key: string, service: MeshService | undefined): void => {
    if (put(next.services, (copy) => (next.services = copy), [key, service])) dirtyServices.add(key);
  };
  const putWorkload = (key: string, workload: Workload | undefined): void => {
    const old = next.workloads.get(key);
    if (!put(next.workloads, (copy) => (next.workloads = copy), [key, workload])) return;
    for (const [name, service] of next.services) {
      if ([old, workload].some((one) => one?.namespace === service.namespace && labelsMatch(service.selector, one.labels))) {
        dirtyServices.add(name);
      }
    }
  };
  const nodeOf = (pod: Pod): Node | undefined => kindOf<Node>(next, 'Node').get(`/${pod.spec.nodeName ?? ''}`);

  const derive: Readonly<Record<string, (key: string, object: KubeObject | undefined, old: KubeObject | undefined) => void>> = {
    Service(_key, object, old) {
      if (old && !object) putService(serviceKey(ingestService(old as Service, next.mesh.clusterDomain)), undefined);
      if (!object) return;
      const service = ingestService(object as Service, next.mesh.clusterDomain);
      putService(serviceKey(service), service);
      dirtyServices.add(serviceKey(service));
    },
    ServiceEntry(_key, object, old) {
      const services = object ? ingestServiceEntry(object as ServiceEntry) : [];
      const kept = new Set(services.map(serviceKey));
      for (const gone of old ? ingestServiceEntry(old as ServiceEntry) : []) {
        if (!kept.has(serviceKey(gone))) putService(serviceKey(gone), undefined);
      }
      for (const service of services) {
        putService(serviceKey(service), service);
        dirtyServices.add(serviceKey(service));
      }
    },
    Pod(key, object, old) {
      const wasKnown = next.workloads.has(key);
      putWorkload(key, object && ingestPod(object as Pod, nodeOf(object as Pod)));
      // Readiness decides only where there are no slices.
      const isReadinessChange = wasKnown && !jsonEqual(conditionsOf(object), conditionsOf(old));
      const workload = next.workloads.get(key);
      if (!isReadinessChange || !workload) return;
      for (const [name, service] of next.services) {
        if (service.namespace === workload.namespace && labelsMatch(service.selector, workload.labels)) dirtyServices.add(name);
      }
    },
    Node(_key, object, old) {
      if (jsonEqual(object?.metadata.labels, old?.metadata.labels)) return;
      const name = (object ?? old)?.metadata.name;
      for (const [key, pod] of kindOf<Pod>(next, 'Pod')) {
        if (pod.spec.nodeName === name) putWorkload(key, ingestPod(pod, nodeOf(pod)));
      }
    },
    WorkloadEntry(key, object) {
      putWorkload(`${key} (WorkloadEntry)`, object && ingestWorkloadEntry(object as KubeObject & WorkloadEntry));
    },
    EndpointSlice(_key, object, old) {
      for (const slice of [object, old]) {
        const service = slice && serviceNameOf(slice);
        if (service)
          dirtyServices.add(
            `${slice.metadata.namespace ?? 'default'}/${service}.${slice.metadata.namespace ?? 'default'}.svc.${next.mesh.clusterDomain}`,
          );
      }
    },
  };

  return {
    apply(change: ObjectChange): void {
      const { kind } = change.object;
      const key = keyOf(change.object as KubeObject);
      const object = change.type === 'apply' ? change.object : undefined;
      const field = Object.hasOwn(TYPED_KINDS, kind) ? TYPED_KINDS[kind as keyof typeof TYPED_KINDS] : undefined;
      // gateway.networking.k8s.io has a Gateway too.
      const group = (object ?? next.objects.get(kind)?.get(key))?.apiVersion ?? '';
      if (kind === 'Gateway' && !group.startsWith('networking.istio.io/')) return;
      if (!field && !Object.hasOwn(derive, kind)) return;
      const old = putObject(kind, key, object);
      if (field) put(next[field] as ByKey<unknown>, (copy) => (next[field] = copy as never), [key, object && withSpec(object)]);
      else derive[kind]?.(key, object, old);
    },
    finish(): MeshSnapshot {
      const slices = dirtyServices.size > 0 ? slicesByService(next) : new Map<string, EndpointSlice[]>();
      for (const key of dirtyServices) {
        const service = next.services.get(key);
        const endpoints = service ? endpointsOfService(next, service, slices.get(key) ?? []) : undefined;
        put(next.endpoints, (copy) => (next.endpoints = copy), [key, endpoints]);
      }
      return isChanged || next.objects !== previous.objects ? next : previous;
    },
  };
}

function endpointsOfService(snapshot: MeshSnapshot, service: MeshService, slices: EndpointSlice[]) {
  if (service.registry === 'Kubernetes') {
    const object = kindOf<Service>(snapshot, 'Service').get(`${service.namespace}/${service.name}`);
    return ingestEndpoints(service, {
      slices,
      workloads: snapshot.workloads,
      pods: kindOf<Pod>(snapshot, 'Pod'),
      publishNotReady: object?.spec.publishNotReadyAddresses === true,
    });
  }
  const entry = kindOf<KubeObject & ServiceEntry>(snapshot, 'ServiceEntry').get(`${service.source.namespace}/${service.source.name}`);
  const listed = entry ? staticEndpoints(entry, service) : [];
  if (Object.keys(service.selector).length === 0) return listed;
  const selected = [...snapshot.workloads.values()]
    .filter((workload) => workload.namespace === service.namespace && labelsMatch(service.selector, workload.labels))
    .flatMap((workload) => endpointsOf(workload, service));
  return [...listed, ...selected];
}

function slicesByService(snapshot: MeshSnapshot): Map<string, EndpointSlice[]> {
  const grouped = new Map<string, EndpointSlice[]>();
  for (const slice of kindOf<EndpointSlice>(snapshot, 'EndpointSlice').values()) {
    const name = serviceNameOf(slice);
    if (!name) continue;
    const namespace = slice.metadata.namespace ?? 'default';
    const key = `${namespace}/${name}.${namespace}.svc.${snapshot.mesh.clusterDomain}`;
    const group = grouped.get(key);
    if (group) group.push(slice);
    else grouped.set(key, [slice]);
  }
  return grouped;
}

const serviceNameOf = (slice: Pick<KubeObject, 'metadata'>): string | undefined => slice.metadata.labels?.['kubernetes.io/service-name'];

const conditionsOf = (pod: KubeObject | undefined): unknown => [
  pod?.metadata.deletionTimestamp,
  (pod as Pod | undefined)?.status?.conditions?.find((condition) => condition.type === 'Ready')?.status,
];

// An Istio object may come without a spec at all ("spec: {}" omitted).
const withSpec = (object: KubeObject): unknown => (object.kind === 'Namespace' || object['spec'] ? object : { ...object, spec: {} });

const kindOf = <T>(snapshot: MeshSnapshot, kind: string): ByKey<T> => (snapshot.objects.get(kind) ?? new Map()) as ByKey<T>;
