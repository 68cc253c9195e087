import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { createVirtualClock } from '@lateen/base/testing';
import {
  Cluster_DiscoveryType,
  ClusterLoadAssignmentSchema,
  ClusterSchema,
  HttpConnectionManagerSchema,
  ListenerSchema,
  type RouteActionSchema,
  RouteConfigurationSchema,
  routerHttpFilter,
} from '@lateen/xds/messages';
import type { Runtime } from '../runtime/index.ts';
import { createFetchTimeouts } from './fetch-timeouts.ts';
import { createLiveConfig, type ResourceKind, TYPE_URLS } from './live-config.ts';

function setup() {
  const runtimes: Runtime[] = [];
  const config = createLiveConfig({ now: () => 1000, onRuntime: (runtime) => runtimes.push(runtime) });
  const push = <Desc extends DescMessage>(kind: ResourceKind, schema: Desc, messages: MessageInitShape<Desc>[], removed: string[] = []) =>
    config.update({
      typeUrl: TYPE_URLS[kind],
      version: '1',
      removed,
      changed: new Map(
        messages.map((init) => {
          const message = create(schema, init);
          const name =
            (message as unknown as { name?: string; clusterName?: string }).name ??
            (message as unknown as { clusterName: string }).clusterName;
          return [name, { resource: anyPack(schema, message), version: '1' }];
        }),
      ),
    });
  return { config, runtimes, push };
}

const eds = (name: string, altStatName = ''): MessageInitShape<typeof ClusterSchema> => ({
  name,
  altStatName,
  clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
  edsClusterConfig: { edsConfig: { configSourceSpecifier: { case: 'ads', value: {} } } },
});

type RouteSpecifier = NonNullable<MessageInitShape<typeof HttpConnectionManagerSchema>['routeSpecifier']>;

const listener = (name: string, routeConfigName: string): MessageInitShape<typeof ListenerSchema> =>
  listenerWith(name, {
    case: 'rds',
    value: { routeConfigName, configSource: { configSourceSpecifier: { case: 'ads', value: {} } } },
  });

const listenerWith = (name: string, routeSpecifier: RouteSpecifier): MessageInitShape<typeof ListenerSchema> => ({
  name,
  address: { address: { case: 'socketAddress', value: { address: '127.0.0.1', portSpecifier: { case: 'portValue', value: 1 } } } },
  filterChains: [
    {
      filters: [
        {
          name: 'hcm',
          configType: {
            case: 'typedConfig',
            value: anyPack(
              HttpConnectionManagerSchema,
              create(HttpConnectionManagerSchema, {
                statPrefix: 'in',
                routeSpecifier,
                httpFilters: [
                  {
                    name: 'r',
                    configType: {
                      case: 'typedConfig',
                      value: anyPack(routerHttpFilter.RouterSchema, create(routerHttpFilter.RouterSchema)),
                    },
                  },
                ],
              }),
            ),
          },
        },
      ],
    },
  ],
});

test('a cluster waits for its endpoints and its predecessor serves on; a listener waits for its routes', () => {
  const { config, push } = setup();
  push('cluster', ClusterSchema, [eds('a')]);
  assert.equal(config.runtime.clusters.has('a'), false);
  assert.deepEqual([...config.wanted('endpoints')], ['a']);
  push('endpoints', ClusterLoadAssignmentSchema, [{ clusterName: 'a' }]);
  assert.equal(config.runtime.clusters.get('a')?.statName, 'a');
  push('listener', ListenerSchema, [listener('l', '80')]);
  assert.equal(config.isInitialized, false);
  assert.deepEqual([...config.wanted('route')], ['80']);
  assert.equal(config.entries('listener')[0]?.state, 'warming');
  push('route', RouteConfigurationSchema, [{ name: '80' }]);
  assert.equal(config.runtime.listeners.has('l'), true);
  assert.equal(config.isInitialized, true);
  const before = config.runtime.listeners.get('l');
  push('listener', ListenerSchema, [listener('l', '81')]);
  assert.equal(config.runtime.listeners.get('l'), before);
  assert.equal(config.isInitialized, true);
});

test('after the initial fetch timeout a cluster comes into force without endpoints, a listener without routes', () => {
  const { config, push } = setup();
  const clock = createVirtualClock();
  const timeouts = createFetchTimeouts({ config, clock });
  const live = () => [...config.runtime.clusters.keys(), ...config.runtime.listeners.keys()];
  push('cluster', ClusterSchema, [eds('a')]);
  push('listener', ListenerSchema, [listener('l', 'routes')]);
  timeouts.follow();
  clock.advance(14_999);
  assert.deepEqual(live(), []);
  assert.equal(config.isInitialized, false);
  clock.advance(1);
  assert.deepEqual(live(), ['a', 'l']);
  assert.equal(config.isInitialized, true);
  timeouts.close();
});

test('an update is refused as a whole with every reason, and the last good one serves on', () => {
  const { config, runtimes, push } = setup();
  push('cluster', ClusterSchema, [{ name: 'good' }]);
  const before = config.runtime;
  const verdict = push('cluster', ClusterSchema, [
    { name: 'fine' },
    { name: 'bad', filters: [{ name: 'f' }] },
    { name: 'worse', filters: [{ name: 'f' }] },
  ]);
  assert.deepEqual(verdict, {
    ok: false,
    error: ['cluster "bad": filters: is not supported', 'cluster "worse": filters: is not supported'],
  });
  assert.equal(config.runtime, before);
  assert.equal(runtimes.length, 1);
});

test('what did not change keeps its identity, what is removed goes, what nobody names is forgotten', () => {
  const { config, push } = setup();
  push('cluster', ClusterSchema, [eds('a'), { name: 'b' }]);
  push('endpoints', ClusterLoadAssignmentSchema, [{ clusterName: 'a' }]);
  const b = config.runtime.clusters.get('b');
  push('cluster', ClusterSchema, [{ name: 'c' }], ['a']);
  assert.equal(config.runtime.clusters.get('b'), b);
  assert.deepEqual([...config.runtime.clusters.keys()], ['b', 'c']);
  assert.deepEqual([...config.runtime.endpoints.keys()], []);
});

test('static resources cannot be replaced or removed by ADS', () => {
  const { config, push } = setup();
  config.addStatic({ clusters: [create(ClusterSchema, { name: 's' })], listeners: [] });
  assert.equal(push('cluster', ClusterSchema, [{ name: 's' }]).ok, false);
  push('cluster', ClusterSchema, [], ['s']);
  assert.equal(config.runtime.clusters.has('s'), true);
});

test('nothing waits for what the control plane says does not exist', () => {
  const { config, push } = setup();
  push('cluster', ClusterSchema, [eds('a')]);
  push('listener', ListenerSchema, [listener('l', '80')]);
  push('endpoints', ClusterLoadAssignmentSchema, [], ['a']);
  push('route', RouteConfigurationSchema, [], ['80']);
  assert.deepEqual([config.runtime.clusters.has('a'), config.runtime.listeners.has('l'), config.isInitialized], [true, true, true]);
});

const routesTo = (
  name: string,
  action: RouteActionInit,
  validateClusters?: boolean,
): MessageInitShape<typeof RouteConfigurationSchema> => ({
  name,
  ...(validateClusters !== undefined && { validateClusters }),
  virtualHosts: [{ name: 'all', domains: ['*'], routes: [{ match: ANY_PATH, action: { case: 'route', value: action } }] }],
});
type RouteActionInit = MessageInitShape<typeof RouteActionSchema>;
const ANY_PATH = { pathSpecifier: { case: 'prefix' as const, value: '/' } };
const toCluster = (name: string, mirrors: string[] = []): RouteActionInit => ({
  clusterSpecifier: { case: 'cluster', value: name },
  requestMirrorPolicies: mirrors.map((cluster) => ({ cluster })),
});
const byWeight = (...names: string[]): RouteActionInit => ({
  clusterSpecifier: { case: 'weightedClusters', value: { clusters: names.map((name) => ({ name, weight: 1 })) } },
});

test('routes inside a listener name clusters that are there, warming ones included; discovered ones where they say so', () => {
  const { config, push } = setup();
  const pushTable = (action: RouteActionInit, validates?: boolean) => {
    const taken = push('listener', ListenerSchema, [listenerWith('l', { case: 'routeConfig', value: routesTo('t', action, validates) })]);
    return taken.ok ? 'taken' : taken.error.join();
  };
  assert.equal(pushTable(toCluster('a')), 'listener "l": unknown cluster "a"');
  assert.equal(pushTable(toCluster('a'), false), 'taken');
  push('cluster', ClusterSchema, [eds('a')]);
  assert.equal(pushTable(toCluster('a')), 'taken');
  assert.equal(pushTable(toCluster('a', ['b'])), 'listener "l": unknown cluster "b"');
  assert.equal(pushTable(byWeight('a', 'c')), 'listener "l": unknown cluster "c"');
  assert.equal(pushTable({ clusterSpecifier: { case: 'clusterHeader', value: 'x-c' } }), 'taken');
  push('listener', ListenerSchema, [listener('l', '80')]);
  assert.equal(push('route', RouteConfigurationSchema, [routesTo('80', toCluster('d'))]).ok, true);
  const refused = push('route', RouteConfigurationSchema, [routesTo('80', toCluster('d'), true)]);
  assert.deepEqual(refused.ok ? [] : refused.error, ['route "80": unknown cluster "d"']);
  const thread = createLiveConfig({ now: () => 0, onRuntime() {}, trustsClusterNames: true });
  const table = create(ListenerSchema, listenerWith('l', { case: 'routeConfig', value: routesTo('t', toCluster('gone')) }));
  assert.equal(thread.addStatic({ clusters: [], listeners: [table] }).ok, true);
  assert.equal(config.addStatic({ clusters: [], listeners: [{ ...table, name: 'other' }] }).ok, false);
});
