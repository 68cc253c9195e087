// /debug/*: what the control plane knows and has sent, in istiod's shapes where tools read them.

import { type DescMessage, fromBinary, type JsonValue, toJson } from '@bufbuild/protobuf';
import { ISTIO_VERSION } from '@lateen/base';
import type { Finding, MeshSnapshot } from '@lateen/mesh';
import { ClusterLoadAssignmentSchema, ClusterSchema, ListenerSchema, RouteConfigurationSchema } from '@lateen/xds/messages/config';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, type ResourceSet, ROUTE_TYPE, type XdsClient } from '@lateen/xds/server';
import { TYPE_NAMES } from '../metrics.ts';
import { parseNodeId } from '../push/node-scope.ts';

export type DebugState = {
  podName: string;
  clusterId: string;
  snapshot(): MeshSnapshot;
  clients(): readonly XdsClient[];
  resourcesOf(client: XdsClient): ResourceSet;
  /** Findings of all translations in use. */
  findings(): readonly Finding[];
  /** Raw injection configuration, when there is one. */
  injectionConfig(): unknown;
};

type Handler = (state: DebugState, query: URLSearchParams) => unknown;

const HANDLERS: Readonly<Record<string, Handler>> = {
  syncz: (state) => state.clients().map((client) => syncStatus(state, client)),
  adsz: (state) => ({ totalClients: state.clients().length, clients: state.clients().map(describeClient) }),
  connections: (state) => ({
    totalClients: state.clients().length,
    clients: state.clients().map((client) => ({ connectionId: client.id, connectedAt: timeOf(client), address: client.peer })),
  }),
  registryz: (state) => [...state.snapshot().services.values()].map(describeService),
  endpointz: (state) =>
    [...state.snapshot().endpoints].map(([key, endpoints]) => ({
      svc: key.slice(key.indexOf('/') + 1),
      ep: endpoints.map(({ workload, ...endpoint }) => ({
        ...endpoint,
        namespace: workload.namespace,
        workloadName: workload.workloadName,
        labels: workload.labels,
        serviceAccount: workload.serviceAccount,
        tlsMode: workload.tlsMode,
      })),
    })),
  configz: (state) => {
    const { virtualServices, destinationRules, gateways, sidecars, telemetries } = state.snapshot();
    return [virtualServices, destinationRules, gateways, sidecars, telemetries].flatMap((byKey) => [...byKey.values()]);
  },
  mesh: (state) => state.snapshot().mesh,
  push_status: (state) => ({ findings: state.findings() }),
  inject: (state) => state.injectionConfig() ?? {},
  config_dump: configDump,
};

/** The answer as JSON, `undefined` for an unknown page. */
export async function debugPage(name: string, state: DebugState, query: URLSearchParams): Promise<unknown> {
  if (name === '') return Object.keys(HANDLERS).map((page) => `/debug/${page}`);
  return Object.hasOwn(HANDLERS, name) ? HANDLERS[name]?.(state, query) : undefined;
}

const timeOf = (client: XdsClient): string => new Date(client.connectedAtMs).toISOString();

function proxyName(client: XdsClient): string {
  const { name, namespace } = parseNodeId(client.node.id);
  return `${name}.${namespace}`;
}

function syncStatus(state: DebugState, client: XdsClient): Record<string, string> {
  const text = (value: unknown, fallback: string): string => (typeof value === 'string' && value !== '' ? value : fallback);
  const metadata = client.node.metadata ?? {};
  const status: Record<string, string> = {
    cluster_id: text(metadata['CLUSTER_ID'], state.clusterId),
    proxy: proxyName(client),
    proxy_type: parseNodeId(client.node.id).type,
    istio_version: text(metadata['ISTIO_VERSION'], ISTIO_VERSION),
    istiod: state.podName,
  };
  for (const type of client.types) {
    const name = TYPE_NAMES[type.typeUrl]?.long;
    if (!name || type.nonceSent === '') continue;
    status[`${name}_sent`] = type.nonceSent;
    status[`${name}_acked`] = type.nonceAcked;
    if (type.nack) status[`${name}_error`] = type.nack.message;
  }
  return status;
}

function describeClient(client: XdsClient): unknown {
  return {
    connectionId: client.id,
    connectedAt: timeOf(client),
    address: client.peer,
    mode: client.mode,
    labels: client.node.metadata?.['LABELS'] ?? {},
    watches: Object.fromEntries(client.types.map(({ typeUrl, ...rest }) => [typeUrl, rest])),
  };
}

function describeService(service: MeshSnapshot['services'] extends ReadonlyMap<string, infer S> ? S : never): unknown {
  const { hostname, name, namespace, registry, addresses, ports, resolution, selector, exportTo, source, isMeshExternal } = service;
  return {
    Attributes: { ServiceRegistry: registry, Name: name, Namespace: namespace, LabelSelectors: selector, ExportTo: exportTo },
    hostname,
    clusterVIPs: addresses,
    ports,
    Resolution: resolution,
    MeshExternal: isMeshExternal,
    ResourceVersion: source.resourceVersion,
  };
}

// The shape of Envoy's /config_dump, of what the proxy should have.
async function configDump(state: DebugState, query: URLSearchParams): Promise<unknown> {
  const wanted = query.get('proxyID') ?? '';
  const client = state.clients().find((one) => proxyName(one) === wanted || one.id === wanted || one.node.id === wanted);
  if (!client) return { error: `no proxy "${wanted}" is connected; ask /debug/syncz for names (pod.namespace)` };
  const resources = state.resourcesOf(client);
  // Every message there is: nothing that a control plane needs until somebody asks.
  const { messageRegistry } = await import('./message-registry.ts');
  const registry = messageRegistry();
  const decoded = (typeUrl: string, schema: DescMessage): JsonValue[] =>
    [...(resources.get(typeUrl)?.values() ?? [])].map(({ body }) => ({
      '@type': body.typeUrl,
      ...(toJson(schema, fromBinary(schema, body.value), { registry }) as object),
    }));
  const type = (name: string) => ({ '@type': `type.googleapis.com/envoy.admin.v3.${name}` });
  return {
    configs: [
      {
        ...type('ClustersConfigDump'),
        dynamic_active_clusters: decoded(CLUSTER_TYPE, ClusterSchema).map((cluster) => ({ cluster })),
      },
      {
        ...type('ListenersConfigDump'),
        dynamic_listeners: decoded(LISTENER_TYPE, ListenerSchema).map((listener) => ({
          name: (listener as { name?: string }).name,
          active_state: { listener },
        })),
      },
      {
        ...type('RoutesConfigDump'),
        dynamic_route_configs: decoded(ROUTE_TYPE, RouteConfigurationSchema).map((route_config) => ({ route_config })),
      },
      {
        ...type('EndpointsConfigDump'),
        dynamic_endpoint_configs: decoded(ENDPOINT_TYPE, ClusterLoadAssignmentSchema).map((endpoint_config) => ({
          endpoint_config,
        })),
      },
    ],
  };
}
