// The configuration in force: static resources plus what ADS sent, compiled. An update is taken whole or refused whole. A
// cluster without its endpoints, a listener without its routes and either without its secrets wait ("warming") while their
// predecessor serves on. Secrets alone are taken one by one.

import { type DescMessage, type Message, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import { fail, ok, type Result } from '@lateen/base';
import type { ResourceUpdate } from '@lateen/xds/client';
import {
  ClusterLoadAssignmentSchema,
  ClusterSchema,
  ListenerSchema,
  RouteConfigurationSchema,
  type Secret,
  SecretSchema,
} from '@lateen/xds/messages/proxy';
import {
  type ClusterRuntime,
  type Compiled,
  type ConfigSourceRuntime,
  compileCluster,
  compileEndpoints,
  compileListener,
  compileRouteTable,
  compileSecret,
  EMPTY_RUNTIME,
  type EndpointsRuntime,
  type ListenerRuntime,
  type RouteTable,
  type Runtime,
  type SecretRef,
} from '../runtime/index.ts';
import { createDataReader, type DataReader } from '../tls/local-data.ts';
import { ConfigEntry } from './config-entry.ts';
import { adsNames, endpointsOf, type ResourceReference, referencesOf, routesOf, tablesOf } from './references.ts';
import { buildSecret, createSecretTable, type NamedSecret, type SecretTable, secretsOfCluster, secretsOfListener } from './secret-table.ts';

export const TYPE_URLS = {
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoints: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  route: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
} as const;
export type ResourceKind = keyof typeof TYPE_URLS;
export const SECRET_TYPE_URL = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

export type LiveConfig = {
  /** What serves now. */
  readonly runtime: Runtime;
  /** The configured resources of a kind, and whether each is in force or warming; before a warming cluster the one that serves. */
  entries<K extends ResourceKind>(kind: K): { entry: ConfigEntry<KindMessage[K]>; state: 'active' | 'warming' }[];
  /** Adds resources of the bootstrap; they are never replaced by ADS ones of the same name. Every reason on failure. */
  addStatic(resources: {
    clusters: readonly MessageShape<typeof ClusterSchema>[];
    listeners: readonly MessageShape<typeof ListenerSchema>[];
    secrets?: readonly Secret[];
  }): Result<void, readonly string[]>;
  /** Takes a response of ADS into force, or gives every reason against it. */
  update(update: ResourceUpdate): Result<void, readonly string[]>;
  /** Resources of the last update of the kind, where it was refused because of them. */
  refused(kind: ResourceKind): ReadonlyMap<string, RefusedResource>;
  /** Names to ask of ADS: endpoints of EDS clusters, route configurations of listeners. */
  wanted(kind: 'endpoints' | 'route' | 'secret'): ReadonlySet<string>;
  /** Every resource of the kind that clusters or listeners name, by key; in an update from elsewhere than ADS the key is the name. */
  references(kind: 'endpoints' | 'route'): ReadonlyMap<string, ResourceReference>;
  /** Secrets in force, and what was refused. */
  readonly secrets: Pick<SecretTable, 'entries' | 'rejections'>;
  /** Every named secret of a listener or cluster, by key. */
  namedSecrets(): ReadonlyMap<string, NamedSecret>;
  /** Takes secrets from elsewhere than ADS, each for itself; `key` tells what a name of that place is called here. */
  updateSecrets(update: Pick<ResourceUpdate, 'changed' | 'removed'>, key: (name: string) => string): Result<void, readonly string[]>;
  /** Reads the files of a secret again. */
  rereadSecret(key: string): Result<void>;
  /** Nothing waits any longer for this secret. */
  giveUpSecret(key: string): void;
  /** Whether these endpoints or routes neither came nor were given up. */
  isWaitedFor(kind: 'endpoints' | 'route', key: string): boolean;
  /** Nothing waits any longer for these endpoints or routes. */
  giveUp(kind: 'endpoints' | 'route', key: string): void;
  /** Whether the first clusters or listeners came, were given up, or come from nowhere. */
  hasReceived(kind: 'cluster' | 'listener'): boolean;
  /** Nothing waits any longer for the first clusters or listeners. */
  giveUpFirst(kind: 'cluster' | 'listener'): void;
  /** Whether clusters and listeners were received as far as there are any to come, and nothing of the first configuration is warming. */
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

export type RefusedResource = {
  readonly resource: Any;
  readonly version: string;
  readonly atMs: number;
  readonly reasons: readonly string[];
};

export type LiveConfigOptions = {
  /** Wall clock, milliseconds. */
  now: () => number;
  /** Called with each new runtime, before the update is acknowledged. */
  onRuntime: (runtime: Runtime) => void;
  /** Clusters of the runtime that do not serve yet. Default none. */
  warmingClusters?: () => readonly ClusterRuntime[];
  /** Files and variables that secrets name. Default: files, and no variables. */
  readData?: DataReader;
  /** What comes from a dynamic source. Default both. */
  awaits?: readonly ('cluster' | 'listener')[];
  /** Why nothing can come from a source, as far as only the place where the proxy runs can tell. Default: nothing is known. */
  problemOfSource?: (source: ConfigSourceRuntime) => string | undefined;
  /** Somebody has already looked whether the clusters that route tables name are there. Default: not. */
  trustsClusterNames?: boolean;
};

export function createLiveConfig(options: LiveConfigOptions): LiveConfig {
  const { now, onRuntime, warmingClusters, readData = createDataReader({}), awaits = ['cluster', 'listener'] } = options;
  const secrets = createSecretTable({ read: readData, now });
  const tables: Tables = { cluster: new Map(), endpoints: new Map(), listener: new Map(), route: new Map() };
  const received = new Set<ResourceKind>();
  // Asked for, and the control plane said that they do not exist: nothing waits for them.
  const absent = { endpoints: new Set<string>(), route: new Set<string>() };
  let runtime: Runtime = EMPTY_RUNTIME;
  const refused: { [K in ResourceKind]: Map<string, RefusedResource> } = {
    cluster: new Map(),
    endpoints: new Map(),
    listener: new Map(),
    route: new Map(),
  };
  const references = { endpoints: new Map<string, ResourceReference>(), route: new Map<string, ResourceReference>() };
  let isInitialized = false;
  const staticSecrets = new Set<string>();
  // Clusters that serve while the entry in the table warms.
  const predecessors: Tables['cluster'] = new Map();

  const findReferences = () => {
    references.endpoints = referencesOf(tables, 'endpoints');
    references.route = referencesOf(tables, 'route');
  };
  const hasReceived: LiveConfig['hasReceived'] = (kind) => received.has(kind) || !awaits.includes(kind);
  const takeSecrets: LiveConfig['updateSecrets'] = ({ changed, removed }, keyOf) => {
    const reasons: string[] = [];
    for (const [name, { resource, version }] of changed) {
      const message = anyUnpack(resource, SecretSchema);
      const plan = message && compileSecret(message);
      if (!message || !plan) reasons.push(`secret ${JSON.stringify(name)}: type ${resource.typeUrl} is not ${SecretSchema.typeName}`);
      else if (!plan.ok) reasons.push(...plan.error);
      else {
        const taken = secrets.put(keyOf(name), plan.value, { message, version });
        if (!taken.ok) reasons.push(`secret ${JSON.stringify(name)}: ${taken.error}`);
      }
    }
    // What is withdrawn goes on serving those who have it; newcomers do not wait for it.
    for (const name of removed) secrets.absent.add(keyOf(name));
    commit();
    return reasons.length > 0 ? fail(reasons) : ok(undefined);
  };
  /** Secrets that a listener or cluster has itself. */
  const takeOwnSecrets = (refs: readonly SecretRef[]): string[] =>
    refs.flatMap((ref) => {
      if (ref.kind === 'inline') {
        const built = buildSecret({ name: '', files: [], watchedDirectories: [], isInline: true, build: () => ref.secret }, readData);
        return built.ok ? [] : [built.error];
      }
      if (ref.source.kind !== 'local') return [];
      const taken = secrets.put(ref.key, ref.source.plan, { message: undefined, version: '' });
      return taken.ok ? [] : [taken.error];
    });

  const unknownClusters = (table: RouteTable, byDefault: boolean): string[] =>
    !options.trustsClusterNames && (table.validatesClusters ?? byDefault)
      ? [...table.clusterNames].flatMap((name) => (tables.cluster.has(name) ? [] : [`unknown cluster ${JSON.stringify(name)}`]))
      : [];

  const problemsOf: Stage['problemsOf'] = (kind, name, compiled) => {
    if (kind === 'route') {
      return unknownClusters(compiled as RouteTable, false).map((problem) => `route ${JSON.stringify(name)}: ${problem}`);
    }
    if (kind !== 'listener' && kind !== 'cluster') return [];
    const refs = kind === 'listener' ? secretsOfListener(compiled as ListenerRuntime) : secretsOfCluster(compiled as ClusterRuntime);
    const references = kind === 'listener' ? routesOf(compiled as ListenerRuntime) : endpointsOf(compiled as ClusterRuntime);
    return [
      ...takeOwnSecrets(refs).map((problem) => `transport_socket: ${problem}`),
      ...references.flatMap(({ source, resourceName }) => {
        const problem = options.problemOfSource?.(source);
        return problem === undefined ? [] : [`the source of ${JSON.stringify(resourceName)}: ${problem}`];
      }),
      ...(kind === 'listener' ? tablesOf(compiled as ListenerRuntime).flatMap((table) => unknownClusters(table, true)) : []),
    ].map((problem) => `${kind} ${JSON.stringify(name)}: ${problem}`);
  };

  const commit = () => {
    // What nobody names any more was unsubscribed from and would go stale.
    for (const kind of ['endpoints', 'route'] as const) {
      const names = references[kind];
      for (const name of tables[kind].keys()) if (!names.has(name)) tables[kind].delete(name);
      for (const name of absent[kind]) if (!names.has(name)) absent[kind].delete(name);
    }
    secrets.retain(new Set([...namedSecrets(tables).keys(), ...staticSecrets]));
    const next = nextRuntime(tables, { ...absent, secrets }, runtime);
    runtime = next.runtime;
    isInitialized ||= awaits.every(hasReceived) && next.warming === 0;
    onRuntime(runtime);
  };

  const isWaitedFor: LiveConfig['isWaitedFor'] = (kind, key) => !tables[kind].has(key) && !absent[kind].has(key);
  const warmingNow = () => new Set<unknown>(warmingClusters?.());
  const forgetPredecessors = () => {
    const warming = warmingNow();
    for (const name of predecessors.keys()) {
      const current = tables.cluster.get(name);
      if (!current || stateOf('cluster', current.compiled, { runtime, warming }) === 'active') predecessors.delete(name);
    }
  };

  return {
    get runtime() {
      return runtime;
    },
    get isInitialized() {
      return isInitialized;
    },
    entries<K extends ResourceKind>(kind: K) {
      const warming = warmingNow();
      const all: { entry: ConfigEntry<KindMessage[K]>; state: 'active' | 'warming' }[] = [];
      for (const entry of tables[kind].values()) {
        const state = stateOf(kind, entry.compiled, { runtime, warming });
        const before = kind === 'cluster' && state === 'warming' ? predecessors.get(entry.name) : undefined;
        if (before) all.push({ entry: before as unknown as ConfigEntry<KindMessage[K]>, state: 'active' });
        all.push({ entry: entry as ConfigEntry<KindMessage[K]>, state });
      }
      return all;
    },
    addStatic({ clusters, listeners, secrets: given = [] }) {
      const reasons: string[] = [];
      for (const message of given) {
        const key = `static:${message.name}`;
        const plan = compileSecret(message);
        const taken = plan.ok ? secrets.put(key, plan.value, { message, version: '' }) : plan;
        if (!taken.ok)
          reasons.push(...(typeof taken.error === 'string' ? [`secret ${JSON.stringify(message.name)}: ${taken.error}`] : taken.error));
        staticSecrets.add(key);
      }
      const add = <K extends 'cluster' | 'listener'>(kind: K, messages: readonly KindMessage[K][]) => {
        for (const [i, message] of messages.entries()) {
          const compiled = KINDS[kind].compile(message);
          const name = message.name || `static ${kind} ${i}`;
          if (tables[kind].has(name)) reasons.push(`${kind} ${JSON.stringify(name)}: the name is used twice`);
          const problems = compiled.ok ? problemsOf(kind, name, compiled.value) : compiled.error;
          reasons.push(...problems);
          if (!compiled.ok || problems.length > 0) continue;
          const { schema } = KINDS[kind];
          const entry = {
            name,
            bytes: toBinary(schema, message),
            compiled: compiled.value,
            version: '',
            lastUpdatedMs: now(),
            isStatic: true,
          };
          tables[kind].set(name, new ConfigEntry(schema, entry));
        }
      };
      add('cluster', clusters);
      add('listener', listeners);
      if (reasons.length > 0) return fail(reasons);
      findReferences();
      commit();
      return ok(undefined);
    },
    update(update) {
      if (update.typeUrl === SECRET_TYPE_URL) return takeSecrets(update, (name) => `ads:${name}`);
      const kind = kindOf(update.typeUrl);
      if (!kind) return fail([`resources of type ${update.typeUrl} are not supported`]);
      refused[kind].clear();
      const staged = stage(kind, { update, now: now(), table: tables[kind], problemsOf, refused: refused[kind] });
      if (!staged.ok) return staged;
      const table = tables[kind] as Map<string, ConfigEntry>;
      const warming = warmingNow();
      for (const entry of staged.value) {
        const before = tables.cluster.get(entry.name);
        const isActive = kind === 'cluster' && before && stateOf(kind, before.compiled, { runtime, warming }) === 'active';
        if (isActive) predecessors.set(entry.name, before);
        table.set(entry.name, entry);
      }
      // As in Envoy, whoever serves with endpoints or routes goes on with them when they are withdrawn; newcomers do not wait for them.
      if (kind === 'cluster' || kind === 'listener') {
        for (const name of update.removed) if (!table.get(name)?.isStatic) table.delete(name);
      } else {
        for (const name of update.changed.keys()) absent[kind].delete(name);
        for (const name of update.removed) absent[kind].add(name);
      }
      received.add(kind);
      if (kind === 'cluster' || kind === 'listener') findReferences();
      commit();
      forgetPredecessors();
      return ok(undefined);
    },
    wanted(kind) {
      if (kind !== 'secret') return adsNames(references[kind]);
      return new Set([...namedSecrets(tables).values()].flatMap(({ name, source }) => (source.kind === 'ads' ? [name] : [])));
    },
    references: (kind) => references[kind],
    refused: (kind) => refused[kind],
    secrets,
    namedSecrets: () => namedSecrets(tables),
    updateSecrets: takeSecrets,
    rereadSecret(key) {
      const entry = secrets.entries.get(key);
      if (!entry) return ok(undefined);
      const taken = secrets.put(key, entry.plan, entry);
      if (taken.ok && secrets.snapshot() !== runtime.secrets) commit();
      return taken;
    },
    isWaitedFor,
    giveUp(kind, key) {
      if (!isWaitedFor(kind, key)) return;
      absent[kind].add(key);
      commit();
    },
    hasReceived,
    giveUpFirst(kind) {
      if (hasReceived(kind)) return;
      received.add(kind);
      commit();
    },
    giveUpSecret(key) {
      if (secrets.entries.has(key) || secrets.absent.has(key)) return;
      secrets.absent.add(key);
      commit();
    },
  };
}

function namedSecrets(tables: Tables): Map<string, NamedSecret> {
  const refs = [
    ...[...tables.listener.values()].flatMap(({ compiled }) => secretsOfListener(compiled)),
    ...[...tables.cluster.values()].flatMap(({ compiled }) => secretsOfCluster(compiled)),
  ];
  return new Map(refs.flatMap((ref) => (ref.kind === 'named' ? [[ref.key, ref] as const] : [])));
}

const kindOf = (typeUrl: string): ResourceKind | undefined =>
  (Object.keys(TYPE_URLS) as ResourceKind[]).find((kind) => TYPE_URLS[kind] === typeUrl);

type Stage = {
  update: ResourceUpdate;
  now: number;
  table: ReadonlyMap<string, ConfigEntry>;
  /** What only the place where the proxy runs can tell: unreadable files, keys that do not fit. */
  problemsOf(kind: ResourceKind, name: string, compiled: unknown): readonly string[];
  /** Gets what is refused. */
  refused: Map<string, RefusedResource>;
};

/** Decodes and compiles everything that is new; what has the version it had is kept as it is. */
function stage<K extends ResourceKind>(
  kind: K,
  { update, now, table, problemsOf, refused }: Stage,
): Result<ConfigEntry[], readonly string[]> {
  const entries: ConfigEntry[] = [];
  const { schema, compile } = KINDS[kind];
  for (const [name, { resource, version }] of update.changed) {
    const refuse = (reasons: readonly string[]) => refused.set(name, { resource, version, atMs: now, reasons });
    if (table.get(name)?.isStatic) {
      refuse([`${kind} ${JSON.stringify(name)}: is a static resource`]);
      continue;
    }
    // A state-of-the-world response has everything, changed or not.
    if (isSameBytes(table.get(name)?.bytes, resource.value)) continue;
    const message = anyUnpack(resource, schema) as KindMessage[K] | undefined;
    const compiled = message && compile(message, table.get(name) as Previous<K> | undefined);
    if (!message || !compiled) refuse([`${kind} ${JSON.stringify(name)}: type ${resource.typeUrl} is not ${schema.typeName}`]);
    else if (!compiled.ok) refuse(compiled.error);
    else {
      const problems = problemsOf(kind, name, compiled.value);
      if (problems.length > 0) refuse(problems);
      entries.push(
        new ConfigEntry(schema, { name, bytes: resource.value, compiled: compiled.value, version, lastUpdatedMs: now, isStatic: false }),
      );
    }
  }
  return refused.size > 0 ? fail([...refused.values()].flatMap(({ reasons }) => reasons)) : ok(entries);
}

const isSameBytes = (a: Uint8Array | undefined, b: Uint8Array): boolean =>
  a !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i]);

type Absent = { endpoints: ReadonlySet<string>; route: ReadonlySet<string>; secrets: SecretTable };

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
  const hasSecrets = (refs: readonly SecretRef[]) =>
    refs.every((ref) => ref.kind === 'inline' || absent.secrets.entries.has(ref.key) || absent.secrets.absent.has(ref.key));
  const runtime: Runtime = {
    endpoints,
    routes,
    clusters: settle(
      tables.cluster,
      before.clusters,
      (cluster) =>
        hasSecrets(secretsOfCluster(cluster)) &&
        (cluster.discovery.kind !== 'eds' ||
          endpoints.has(cluster.discovery.serviceName) ||
          absent.endpoints.has(cluster.discovery.serviceName)),
    ),
    listeners: settle(
      tables.listener,
      before.listeners,
      (listener) =>
        hasSecrets(secretsOfListener(listener)) && routesOf(listener).every(({ key }) => routes.has(key) || absent.route.has(key)),
    ),
    secrets: absent.secrets.snapshot(),
  };
  return { runtime, warming };
}

type InForce = { readonly runtime: Runtime; readonly warming: ReadonlySet<unknown> };

function stateOf(kind: ResourceKind, compiled: unknown, { runtime, warming }: InForce): 'active' | 'warming' {
  if (kind !== 'cluster' && kind !== 'listener') return 'active';
  if (warming.has(compiled)) return 'warming';
  const live = kind === 'cluster' ? runtime.clusters : runtime.listeners;
  return live.get((compiled as { name: string }).name) === compiled ? 'active' : 'warming';
}

/** The name inside a packed resource, for state-of-the-world responses. */
export function resourceNameOf(resource: Any): string {
  const secret = anyUnpack(resource, SecretSchema);
  if (secret) return secret.name;
  const kind = kindOf(resource.typeUrl);
  const message = kind && anyUnpack(resource, KINDS[kind].schema);
  if (!message) throw new Error(`resource of unexpected type ${resource.typeUrl}`);
  return 'clusterName' in message ? String(message.clusterName) : String((message as unknown as { name: string }).name);
}
