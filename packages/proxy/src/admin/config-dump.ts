// /config_dump in Envoy's shape (envoy.admin.v3.ConfigDump as proto3 JSON with snake_case), so that istioctl and Kiali load it.

import { create, type DescMessage, type Message, type MessageInitShape, type MessageShape, toJson } from '@bufbuild/protobuf';
import { AnySchema, anyIs, anyPack, anyUnpack, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { compileRegex, type Json, type JsonObject } from '@lateen/base';
import { adminConfigDump, adminConfigDumpShared, type BootstrapSchema } from '@lateen/xds/messages/admin';
import {
  ClusterLoadAssignmentSchema,
  ClusterSchema,
  HttpConnectionManagerSchema,
  type Listener,
  ListenerSchema,
  type RouteConfiguration,
  RouteConfigurationSchema,
  SecretSchema,
} from '@lateen/xds/messages/proxy';
import type { ConfigEntry } from '../ads/config-entry.ts';
import type { LiveConfig, RefusedResource } from '../ads/live-config.ts';
import { lenientRegistry } from '../ads/registry.ts';
import type { ClusterState } from '../upstream/cluster-state.ts';
import { fitsMask } from './field-mask.ts';
import type { EndpointReply, EndpointRequest } from './http-endpoint.ts';
import { applyMask, redactSecrets } from './json-shape.ts';
import { staticEndpointsOf } from './static-endpoints.ts';

export type ConfigDumpSource = {
  bootstrap: MessageInitShape<typeof BootstrapSchema>;
  bootstrapTimeMs: number;
  config: LiveConfig;
  /** Default none. */
  staticClusters?: () => readonly ClusterState[];
  /** Listeners that could not be bound, and why. */
  listenerFailures?: () => ReadonlyMap<string, string>;
};

const shared = adminConfigDumpShared;
type Named = (name: string) => boolean;
type Section = MessageShape<DescMessage>;
type SectionOf = { schema: DescMessage; build(source: ConfigDumpSource, isNamed: Named): Section };

const section = <Desc extends DescMessage>(
  schema: Desc,
  build: (source: ConfigDumpSource, isNamed: Named) => MessageInitShape<Desc>,
): SectionOf => ({ schema, build: (source, isNamed) => create(schema, build(source, isNamed)) });

const states = (entry: ConfigEntry, schema: DescMessage) => ({
  versionInfo: entry.version,
  lastUpdated: timestampFromMs(entry.lastUpdatedMs),
  resource: create(AnySchema, { typeUrl: `type.googleapis.com/${schema.typeName}`, value: entry.bytes }),
});

const errorStateOf = ({ resource, version, atMs, reasons }: RefusedResource) => ({
  details: reasons.join('\n'),
  versionInfo: version,
  lastUpdateAttempt: timestampFromMs(atMs),
  failedConfiguration: resource,
});

// In the order of Envoy's answer.
const SECTIONS: readonly SectionOf[] = [
  section(adminConfigDump.BootstrapConfigDumpSchema, ({ bootstrap, bootstrapTimeMs }) => ({
    bootstrap,
    lastUpdated: timestampFromMs(bootstrapTimeMs),
  })),
  section(shared.ClustersConfigDumpSchema, ({ config }, isNamed) => {
    const all = config.entries('cluster').flatMap(({ entry, state }) => {
      if (!isNamed(entry.name)) return [];
      const { resource: cluster, ...rest } = states(entry, ClusterSchema);
      return [{ isStatic: entry.isStatic, state, dump: { ...rest, cluster } }];
    });
    const dynamic = all.filter(({ isStatic }) => !isStatic);
    return {
      versionInfo: dynamic[0]?.dump.versionInfo ?? '',
      staticClusters: all.filter(({ isStatic }) => isStatic).map(({ dump: { cluster, lastUpdated } }) => ({ cluster, lastUpdated })),
      dynamicActiveClusters: dynamic.filter(({ state }) => state === 'active').map(({ dump }) => dump),
      dynamicWarmingClusters: dynamic.filter(({ state }) => state === 'warming').map(({ dump }) => dump),
    };
  }),
  section(shared.EndpointsConfigDumpSchema, ({ config, staticClusters = () => [] }, isNamed) => ({
    staticEndpointConfigs: staticEndpointsOf(staticClusters().filter(({ name }) => isNamed(name))),
    dynamicEndpointConfigs: config.entries('endpoints').flatMap(({ entry }) => {
      if (!isNamed(entry.name)) return [];
      const { resource: endpointConfig, ...rest } = states(entry, ClusterLoadAssignmentSchema);
      return [{ ...rest, endpointConfig }];
    }),
  })),
  section(shared.ListenersConfigDumpSchema, ({ config, listenerFailures }, isNamed) => {
    const failures = listenerFailures?.();
    const refused = config.refused('listener');
    const all = config.entries('listener').flatMap(({ entry, state }) => {
      if (!isNamed(entry.name)) return [];
      const { resource: listener, ...rest } = states(entry, ListenerSchema);
      return [{ name: entry.name, isStatic: entry.isStatic, state, dump: { ...rest, listener } }];
    });
    const dynamic = all.filter(({ isStatic }) => !isStatic);
    return {
      versionInfo: dynamic[0]?.dump.versionInfo ?? '',
      staticListeners: all.filter(({ isStatic }) => isStatic).map(({ dump: { listener, lastUpdated } }) => ({ listener, lastUpdated })),
      dynamicListeners: [
        ...dynamic.map(({ name, state, dump }) => {
          const details = failures?.get(name);
          if (details !== undefined) return { name, errorState: { details, failedConfiguration: dump.listener } };
          const own = refused.get(name);
          const error = own && { errorState: errorStateOf(own) };
          return state === 'active' ? { name, activeState: dump, ...error } : { name, warmingState: dump, ...error };
        }),
        ...[...refused].flatMap(([name, one]) =>
          isNamed(name) && !dynamic.some((each) => each.name === name) ? [{ name, errorState: errorStateOf(one) }] : [],
        ),
      ],
    };
  }),
  section(shared.ScopedRoutesConfigDumpSchema, () => ({})),
  section(shared.RoutesConfigDumpSchema, ({ config }, isNamed) => ({
    staticRouteConfigs: config.entries('listener').flatMap(({ entry }) =>
      inlineRoutes(entry.message)
        .filter(({ name }) => isNamed(name))
        .map((route) => ({ routeConfig: anyPack(RouteConfigurationSchema, route), lastUpdated: timestampFromMs(entry.lastUpdatedMs) })),
    ),
    dynamicRouteConfigs: config.entries('route').flatMap(({ entry }) => {
      if (!isNamed(entry.name)) return [];
      const { resource: routeConfig, ...rest } = states(entry, RouteConfigurationSchema);
      return [{ ...rest, routeConfig }];
    }),
  })),
  section(adminConfigDump.SecretsConfigDumpSchema, ({ config }, isNamed) => ({
    dynamicActiveSecrets: [...config.secrets.entries.values()].flatMap(({ name, version, lastUpdatedMs, message }) =>
      message && isNamed(name)
        ? [{ name, versionInfo: version, lastUpdated: timestampFromMs(lastUpdatedMs), secret: anyPack(SecretSchema, message) }]
        : [],
    ),
  })),
];

/** Route configurations that listeners have themselves. */
function inlineRoutes(listener: Listener): RouteConfiguration[] {
  const chains = listener.defaultFilterChain ? [...listener.filterChains, listener.defaultFilterChain] : listener.filterChains;
  return chains.flatMap(({ filters }) =>
    filters.flatMap(({ configType }) => {
      const any = configType.case === 'typedConfig' ? configType.value : undefined;
      if (!any || !anyIs(any, HttpConnectionManagerSchema)) return [];
      const routes = anyUnpack(any, HttpConnectionManagerSchema)?.routeSpecifier;
      return routes?.case === 'routeConfig' ? [routes.value] : [];
    }),
  );
}

/**
 * The dump. `include_eds` adds endpoints; `resource=dynamic_listeners` gives the items of one field of one section; `mask` keeps
 * the named fields; `name_regex` keeps what is called so. Private keys are never in it.
 */
export function replyConfigDump({ query }: Pick<EndpointRequest, 'query'>, source: ConfigDumpSource): EndpointReply {
  const resource = query.get('resource');
  const regex = query.get('name_regex');
  const mask = query.get('mask');
  const named = regex === null ? undefined : compileRegex(regex);
  if (named && !named.ok) return { status: 400, body: `Error while parsing name_regex from ${regex}: ${named.error}` };
  const isNamed: Named = named ? (name) => named.value.matchesFully(name) : () => true;
  const configs = resource === null ? wholeDump(query.has('include_eds'), source, isNamed) : itemsOf(resource, source, isNamed);
  if (configs === 'none') return { status: 404, body: `${resource} not found in config dump` };
  if (configs === 'single') {
    return { status: 400, body: `${resource} is not a repeated field. Use ?mask=${resource} to get only this field` };
  }
  const dump = create(adminConfigDump.ConfigDumpSchema, { configs });
  const json = toJson(adminConfigDump.ConfigDumpSchema, dump, { registry: lenientRegistry(), useProtoFieldName: true }) as JsonObject;
  const paths = mask?.split(',');
  const fitting = configs.map((config) => paths?.some((path) => fitsMask(config, path)) ?? true);
  if (configs.length > 0 && !fitting.includes(true)) {
    const what = resource === null ? 'successfully applied to any configs' : 'successfully used';
    return { status: 400, body: `FieldMask ${mask} could not be ${what}.` };
  }
  const masked = paths ? maskConfigs(json, paths, fitting) : json;
  return { status: 200, contentType: 'application/json', body: `${JSON.stringify(redactSecrets(masked), null, 1)}\n` };
}

/** Sections that the mask does not fit are left out. */
function maskConfigs(json: JsonObject, paths: readonly string[], fitting: readonly boolean[]): JsonObject {
  const configs = (json['configs'] ?? []) as Json[];
  return { configs: configs.filter((_, i) => fitting[i]).map((config) => applyMask(config, paths)) };
}

function wholeDump(includeEds: boolean, source: ConfigDumpSource, isNamed: Named) {
  return SECTIONS.filter(({ schema }) => includeEds || schema !== shared.EndpointsConfigDumpSchema).map(({ schema, build }) =>
    anyPack(schema, build(source, isNamed)),
  );
}

function itemsOf(resource: string, source: ConfigDumpSource, isNamed: Named) {
  for (const { schema, build } of SECTIONS) {
    const field = schema.fields.find((each) => each.name === resource);
    if (!field) continue;
    if (field.fieldKind !== 'list' || !field.message) return 'single';
    const { message } = field;
    const items = (build(source, isNamed) as unknown as Record<string, Message[] | undefined>)[field.localName] ?? [];
    return items.map((item) => anyPack(message, item));
  }
  return 'none';
}
