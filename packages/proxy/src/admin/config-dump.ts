// /config_dump in Envoy's shape (envoy.admin.v3.ConfigDump as proto3 JSON with snake_case), so that istioctl and Kiali load it.

import { create, type DescMessage, type Message, type MessageInitShape, type MessageShape, toJson } from '@bufbuild/protobuf';
import { anyPack, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { adminConfigDump, adminConfigDumpShared, type BootstrapSchema } from '@lateen/xds/messages/admin';
import { ClusterLoadAssignmentSchema, ClusterSchema, ListenerSchema, RouteConfigurationSchema } from '@lateen/xds/messages/proxy';
import type { ConfigEntry, LiveConfig } from '../ads/live-config.ts';
import { messageRegistry } from '../ads/registry.ts';
import type { EndpointReply, EndpointRequest } from './http-endpoint.ts';

export type ConfigDumpSource = { bootstrap: MessageInitShape<typeof BootstrapSchema>; bootstrapTimeMs: number; config: LiveConfig };

const shared = adminConfigDumpShared;
type Section = MessageShape<DescMessage>;
type SectionOf = { schema: DescMessage; build(source: ConfigDumpSource): Section };

const section = <Desc extends DescMessage>(schema: Desc, build: (source: ConfigDumpSource) => MessageInitShape<Desc>): SectionOf => ({
  schema,
  build: (source) => create(schema, build(source)),
});

const states = (entry: ConfigEntry, schema: DescMessage) => ({
  versionInfo: entry.version,
  lastUpdated: timestampFromMs(entry.lastUpdatedMs),
  resource: anyPack(schema, entry.message as Message),
});

const SECTIONS: readonly SectionOf[] = [
  section(adminConfigDump.BootstrapConfigDumpSchema, ({ bootstrap, bootstrapTimeMs }) => ({
    bootstrap,
    lastUpdated: timestampFromMs(bootstrapTimeMs),
  })),
  section(shared.ClustersConfigDumpSchema, ({ config }) => {
    const all = config.entries('cluster').map(({ entry, state }) => {
      const { resource: cluster, ...rest } = states(entry, ClusterSchema);
      return { isStatic: entry.isStatic, state, dump: { ...rest, cluster } };
    });
    const dynamic = all.filter(({ isStatic }) => !isStatic);
    return {
      versionInfo: dynamic[0]?.dump.versionInfo ?? '',
      staticClusters: all.filter(({ isStatic }) => isStatic).map(({ dump: { cluster, lastUpdated } }) => ({ cluster, lastUpdated })),
      dynamicActiveClusters: dynamic.filter(({ state }) => state === 'active').map(({ dump }) => dump),
      dynamicWarmingClusters: dynamic.filter(({ state }) => state === 'warming').map(({ dump }) => dump),
    };
  }),
  section(shared.EndpointsConfigDumpSchema, ({ config }) => ({
    dynamicEndpointConfigs: config.entries('endpoints').map(({ entry }) => {
      const { resource: endpointConfig, ...rest } = states(entry, ClusterLoadAssignmentSchema);
      return { ...rest, endpointConfig };
    }),
  })),
  section(shared.ListenersConfigDumpSchema, ({ config }) => {
    const all = config.entries('listener').map(({ entry, state }) => {
      const { resource: listener, ...rest } = states(entry, ListenerSchema);
      return { name: entry.name, isStatic: entry.isStatic, state, dump: { ...rest, listener } };
    });
    const dynamic = all.filter(({ isStatic }) => !isStatic);
    return {
      versionInfo: dynamic[0]?.dump.versionInfo ?? '',
      staticListeners: all.filter(({ isStatic }) => isStatic).map(({ dump: { listener, lastUpdated } }) => ({ listener, lastUpdated })),
      dynamicListeners: dynamic.map(({ name, state, dump }) =>
        state === 'active' ? { name, activeState: dump } : { name, warmingState: dump },
      ),
    };
  }),
  section(shared.RoutesConfigDumpSchema, ({ config }) => ({
    dynamicRouteConfigs: config.entries('route').map(({ entry }) => {
      const { resource: routeConfig, ...rest } = states(entry, RouteConfigurationSchema);
      return { ...rest, routeConfig };
    }),
  })),
  section(adminConfigDump.SecretsConfigDumpSchema, () => ({})),
];

/** The dump; `?include_eds` adds endpoints, `?resource=dynamic_listeners` gives the items of one field of one section. */
export function replyConfigDump({ query }: Pick<EndpointRequest, 'query'>, source: ConfigDumpSource): EndpointReply {
  if (query.has('mask') || query.has('name_regex')) return { status: 400, body: 'mask and name_regex are not supported\n' };
  const resource = query.get('resource');
  const configs = resource === null ? wholeDump(query.has('include_eds'), source) : itemsOf(resource, source);
  if (!configs) return { status: 404, body: `${resource} not found in config dump\n` };
  const dump = create(adminConfigDump.ConfigDumpSchema, { configs });
  const json = toJson(adminConfigDump.ConfigDumpSchema, dump, { registry: messageRegistry(), useProtoFieldName: true });
  return { status: 200, contentType: 'application/json', body: `${JSON.stringify(json, null, 1)}\n` };
}

function wholeDump(includeEds: boolean, source: ConfigDumpSource) {
  return SECTIONS.filter(({ schema }) => includeEds || schema !== shared.EndpointsConfigDumpSchema).map(({ schema, build }) =>
    anyPack(schema, build(source)),
  );
}

function itemsOf(resource: string, source: ConfigDumpSource) {
  for (const { schema, build } of SECTIONS) {
    const field = schema.fields.find((each) => each.name === resource && each.fieldKind === 'list');
    if (field?.fieldKind !== 'list' || !field.message) continue;
    const { message } = field;
    const items = (build(source) as unknown as Record<string, Message[]>)[field.localName] ?? [];
    return items.map((item) => anyPack(message, item));
  }
  return undefined;
}
