// The configuration in force: static resources plus what ADS sent, compiled. An update is taken whole or refused whole. A
// cluster without its endpoints and a listener without its routes wait ("warming") while their predecessor serves on.

import type { DescMessage, Message, MessageShape } from '@bufbuild/protobuf';
import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import { fail, ok, type Result } from '@lateen/base';
import type { ResourceUpdate } from '@lateen/xds/client';
import { ClusterLoadAssignmentSchema, ClusterSchema, ListenerSchema, RouteConfigurationSchema } from '@lateen/xds/messages/proxy';
import {
  type ClusterRuntime,
  type Compiled,
  compileCluster,
  compileEndpoints,
  compileListener,
  compileRouteTable,
  EMPTY_RUNTIME,
  type EndpointsRuntime,
  type ListenerRuntime,
  type RouteTable,
  type Runtime,
} from '../runtime/index.ts';

export const TYPE_URLS = {
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoints: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  route: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
} as const;
export type ResourceKind = keyof typeof TYPE_URLS;

/** One resource as the admin interface shows it. */
export type ConfigEntry<M extends Message = Message, T = unknown> = {
  readonly name: string;
  readonly message: M;
  readonly compiled: T;
  readonly version: string;
  readonly lastUpdatedMs: number;
  readonly isStatic: boolean;
  /** As received; undefined for static resources. */
  readonly bytes?: Uint8Array;
};

export type LiveConfig = {
  /** What serves now. */
  readonly runtime: Runtime;
  /** The configured resources of a kind, and whether each is in force or warming. */
  entries<K extends ResourceKind>(kind: K): { entry: ConfigEntry<KindMessage[K]>; state: 'active' | 'warming' }[];
  /** Adds resources of the bootstrap; they are never replaced by ADS ones of the same name. Every reason on failure. */
  addStatic(resources: {
    clusters: readonly MessageShape<typeof ClusterSchema>[];
    listeners: readonly MessageShape<typeof ListenerSchema>[];
  }): Result<void, readonly string[]>;
  /** Takes a response of ADS into force, or gives every reason against it. */
  update(update: ResourceUpdate): Result<void, readonly string[]>;
  /** Names to ask for: endpoints of EDS clusters, route configurations of listeners. */
  wanted(kind: 'endpoints' | 'route'): ReadonlySet<string>;
  /** Whether clusters and listeners were received, and nothing of the first configuration is warming. */
  readonly isInitialized: boolean;
};

type KindMessage = {
  cluster: MessageShape<typeof ClusterSchema>;
  endpoints: MessageShape<typeof ClusterLoadAssignmentSchema>;
  listener: MessageShape<typeof ListenerSchema>;
  route: MessageShape<typeof RouteConfigurationSchema>;
};
type KindCompiled = { cluster: ClusterRuntime; endpoints: EndpointsRuntime; listener: ListenerRuntime; route: RouteTable };
type Tables = { [K in ResourceKind]: Map<string, ConfigEntry<KindMessage[K], KindCompiled[K]>> };

type Previous<K extends ResourceKind> = Pick<ConfigEntry<KindMessage[K], KindCompiled[K]>, 'message' | 'compiled'>;

/** `previous`: what the name stood for so far; the new value shares what did not change with it. */
const KINDS: {
  [K in ResourceKind]: { schema: DescMessage; compile(message: KindMessage[K], previous?: Previous<K>): Compiled<KindCompiled[K]> };
} = {
  cluster: { schema: ClusterSchema, compile: compileCluster },
  endpoints: { schema: ClusterLoadAssignmentSchema, compile: compileEndpoints },
  listener: { schema: ListenerSchema, compile: compileListener },
  route: { schema: RouteConfigurationSchema, compile: compileRouteTable },
};

export type LiveConfigOptions = {
  /** Wall clock, milliseconds. */
  now: () => number;
  /** Called with each new runtime, before the update is acknowledged. */
  onRuntime: (runtime: Runtime) => void;
};

export function createLiveConfig({ now, onRuntime }: LiveConfigOptions): LiveConfig {
  const tables: Tables = { cluster: new Map(), endpoints: new Map(), listener: new Map(), route: new Map() };
  const received = new Set<ResourceKind>();
  // Asked for, and the control plane said that they do not exist: nothing waits for them.
  const absent = { endpoints: new Set<string>(), route: new Set<string>() };
  let runtime: Runtime = EMPTY_RUNTIME;
  let isInitialized = false;

  const commit = () => {
    // What nobody names any more was unsubscribed from and would go stale.
    for (const kind of ['endpoints', 'route'] as const) {
      const names = wantedNames(tables, kind);
      for (const name of tables[kind].keys()) if (!names.has(name)) tables[kind].delete(name);
      for (const name of absent[kind]) if (!names.has(name)) absent[kind].delete(name);
    }
    const next = nextRuntime(tables, absent, runtime);
    runtime = next.runtime;
    isInitialized ||= received.has('cluster') && received.has('listener') && next.warming === 0;
    onRuntime(runtime);
  };

  return {
    get runtime() {
      return runtime;
    },
    get isInitialized() {
      return isInitialized;
    },
    entries: <K extends ResourceKind>(kind: K) =>
      [...tables[kind].values()].map((entry) => ({
        entry: entry as ConfigEntry<KindMessage[K]>,
        state: stateOf(kind, entry.compiled, runtime),
      })),
    addStatic({ clusters, listeners }) {
      const reasons: string[] = [];
      const add = <K extends 'cluster' | 'listener'>(kind: K, messages: readonly KindMessage[K][]) => {
        for (const [i, message] of messages.entries()) {
          const compiled = KINDS[kind].compile(message);
          const name = message.name || `static ${kind} ${i}`;
          if (tables[kind].has(name)) reasons.push(`${kind} ${JSON.stringify(name)}: the name is used twice`);
          if (!compiled.ok) reasons.push(...compiled.error);
          else tables[kind].set(name, { name, message, compiled: compiled.value, version: '', lastUpdatedMs: now(), isStatic: true });
        }
      };
      add('cluster', clusters);
      add('listener', listeners);
      if (reasons.length > 0) return fail(reasons);
      commit();
      return ok(undefined);
    },
    update(update) {
      const kind = kindOf(update.typeUrl);
      if (!kind) return fail([`resources of type ${update.typeUrl} are not supported`]);
      const staged = stage(kind, { update, now: now(), table: tables[kind] });
      if (!staged.ok) return staged;
      const table = tables[kind] as Map<string, ConfigEntry>;
      for (const entry of staged.value) table.set(entry.name, entry);
      for (const name of update.removed) if (!table.get(name)?.isStatic) table.delete(name);
      if (kind === 'endpoints' || kind === 'route') {
        for (const name of update.changed.keys()) absent[kind].delete(name);
        for (const name of update.removed) absent[kind].add(name);
      }
      received.add(kind);
      commit();
      return ok(undefined);
    },
    wanted: (kind) => wantedNames(tables, kind),
  };
}

const kindOf = (typeUrl: string): ResourceKind | undefined =>
  (Object.keys(TYPE_URLS) as ResourceKind[]).find((kind) => TYPE_URLS[kind] === typeUrl);

function wantedNames(tables: Tables, kind: 'endpoints' | 'route'): Set<string> {
  if (kind === 'route') return new Set([...tables.listener.values()].flatMap(({ compiled }) => routeNamesOf(compiled)));
  const names = new Set<string>();
  for (const { discovery } of [...tables.cluster.values()].map(({ compiled }) => compiled)) {
    if (discovery.kind === 'eds') names.add(discovery.serviceName);
  }
  return names;
}

type Stage = { update: ResourceUpdate; now: number; table: ReadonlyMap<string, ConfigEntry> };

/** Decodes and compiles everything that is new; what has the version it had is kept as it is. */
function stage<K extends ResourceKind>(kind: K, { update, now, table }: Stage): Result<ConfigEntry[], readonly string[]> {
  const reasons: string[] = [];
  const entries: ConfigEntry[] = [];
  const { schema, compile } = KINDS[kind];
  for (const [name, { resource, version }] of update.changed) {
    if (table.get(name)?.isStatic) {
      reasons.push(`${kind} ${JSON.stringify(name)}: is a static resource`);
      continue;
    }
    // A state-of-the-world response has everything, changed or not.
    if (isSameBytes(table.get(name)?.bytes, resource.value)) continue;
    const message = anyUnpack(resource, schema) as KindMessage[K] | undefined;
    const compiled = message && compile(message, table.get(name) as Previous<K> | undefined);
    if (!message || !compiled) reasons.push(`${kind} ${JSON.stringify(name)}: type ${resource.typeUrl} is not ${schema.typeName}`);
    else if (!compiled.ok) reasons.push(...compiled.error);
    else entries.push({ name, message, compiled: compiled.value, version, lastUpdatedMs: now, isStatic: false, bytes: resource.value });
  }
  return reasons.length > 0 ? fail(reasons) : ok(entries);
}

const isSameBytes = (a: Uint8Array | undefined, b: Uint8Array): boolean =>
  a !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i]);

type Absent = { endpoints: ReadonlySet<string>; route: ReadonlySet<string> };

function nextRuntime(tables: Tables, absent: Absent, before: Runtime): { runtime: Runtime; warming: number } {
  let warming = 0;
  /** The entry when it is ready, else what served under its name so far. */
  const settle = <T>(
    table: ReadonlyMap<string, ConfigEntry<Message, T>>,
    live: ReadonlyMap<string, T>,
    isReady: (compiled: T) => boolean,
  ) => {
    const next = new Map<string, T>();
    for (const { name, compiled } of table.values()) {
      if (isReady(compiled)) next.set(name, compiled);
      else {
        warming++;
        const predecessor = live.get(name);
        if (predecessor) next.set(name, predecessor);
      }
    }
    return next;
  };
  const always = () => true;
  const endpoints = settle(tables.endpoints, before.endpoints, always);
  const routes = settle(tables.route, before.routes, always);
  const runtime: Runtime = {
    endpoints,
    routes,
    clusters: settle(
      tables.cluster,
      before.clusters,
      ({ discovery }) => discovery.kind !== 'eds' || endpoints.has(discovery.serviceName) || absent.endpoints.has(discovery.serviceName),
    ),
    listeners: settle(tables.listener, before.listeners, (listener) =>
      routeNamesOf(listener).every((name) => routes.has(name) || absent.route.has(name)),
    ),
    secrets: before.secrets,
  };
  return { runtime, warming };
}

function routeNamesOf(listener: ListenerRuntime): string[] {
  const chains = listener.defaultFilterChain ? [...listener.filterChains, listener.defaultFilterChain] : listener.filterChains;
  return chains.flatMap(({ terminal }) =>
    terminal.kind === 'http' && terminal.hcm.routes.kind === 'rds' ? [terminal.hcm.routes.name] : [],
  );
}

function stateOf(kind: ResourceKind, compiled: unknown, runtime: Runtime): 'active' | 'warming' {
  if (kind !== 'cluster' && kind !== 'listener') return 'active';
  const live = kind === 'cluster' ? runtime.clusters : runtime.listeners;
  return live.get((compiled as { name: string }).name) === compiled ? 'active' : 'warming';
}

/** The name inside a packed resource, for state-of-the-world responses. */
export function resourceNameOf(resource: Any): string {
  const kind = kindOf(resource.typeUrl);
  const message = kind && anyUnpack(resource, KINDS[kind].schema);
  if (!message) throw new Error(`resource of unexpected type ${resource.typeUrl}`);
  return 'clusterName' in message ? String(message.clusterName) : String((message as unknown as { name: string }).name);
}
