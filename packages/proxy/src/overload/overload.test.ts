import assert from 'node:assert/strict';
import test from 'node:test';
import { create, fromJson, type JsonObject } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { silentLogger } from '@lateen/base';
import { createVirtualClock } from '@lateen/base/testing';
import { configOverload, fixedHeapMonitor } from '@lateen/xds/messages/admin';
import { messageRegistry } from '../ads/registry.ts';
import { createReport } from '../runtime/compile/report.ts';
import { compileOverload } from './compile-overload.ts';
import { createOverload } from './overload.ts';
import { flattenLayer, RuntimeLayers } from './runtime-layers.ts';
import { DEFAULT_OVERLOAD, type OverloadSettings, scaleTimeout } from './settings.ts';

const MIB = 1024 * 1024;

function start(settings: OverloadSettings = DEFAULT_OVERLOAD) {
  const clock = createVirtualClock();
  const calls: string[] = [];
  const heap = { live: 0, garbage: 0 };
  const overload = createOverload({
    settings,
    clock,
    logger: silentLogger,
    maxOpenFiles: 1000,
    read: () => ({ usedBytes: heap.live + heap.garbage, limitBytes: 100 }),
    collect: () => {
      heap.garbage = 0;
    },
    targets: {
      closeIdle: (shorten) => void calls.push(`idle ${Math.round(shorten(3_600_000) / 1000)}s`),
      resetBiggest(fromBytes, limit) {
        calls.push(`reset ${limit} from ${fromBytes / MIB} MiB`);
        return 3;
      },
    },
  });
  const at = (live: number, garbage = 0) => {
    Object.assign(heap, { live, garbage });
    calls.length = 0;
    clock.advance(5000);
    const { endsKeepalive, stopsRequests, refusesConnections } = overload;
    const last = (kind: string) => calls.findLast((call) => call.startsWith(kind));
    return { endsKeepalive, stopsRequests, refusesConnections, idle: last('idle'), reset: last('reset') };
  };
  return { overload, at };
}

const calm = { endsKeepalive: false, stopsRequests: false, refusesConnections: false, idle: undefined, reset: undefined };

test('load is taken off step by step as the heap fills, and taken back when it empties', () => {
  const { overload, at } = start();
  assert.deepEqual(at(50), calm);
  assert.deepEqual(at(85), calm);
  assert.deepEqual(at(90), { ...calm, idle: 'idle 1801s' });
  const draining = at(92);
  assert.equal(draining.endsKeepalive, true);
  assert.equal(draining.stopsRequests, false);
  const full = { endsKeepalive: true, stopsRequests: true, refusesConnections: true, idle: 'idle 2s' };
  assert.deepEqual(at(95), { ...full, reset: 'reset 50 from 1 MiB' });
  assert.deepEqual(at(98), { ...full, reset: 'reset 50 from 0.03125 MiB' });
  assert.deepEqual(at(40), calm);
  overload.close();
});

test('garbage does not count as load', () => {
  const { overload, at } = start();
  assert.deepEqual(at(50, 47), calm);
  const stats = new Map(overload.stats().map(({ name, value }) => [name, value]));
  assert.equal(stats.get('overload.envoy.resource_monitors.fixed_heap.pressure'), 50);
  assert.ok((stats.get('overload.envoy.overload_actions.shrink_heap.shrink_count') ?? 0) > 0);
  overload.close();
});

test('listeners together may hold half of the open files', () => assert.equal(start().overload.maxDownstreamConnections, 500));

test('a timeout shrinks towards its shortest, never below and never grows', () => {
  assert.equal(scaleTimeout(1000, { kind: 'ms', ms: 2000 }, 1), 1000);
  assert.equal(scaleTimeout(10_000, { kind: 'ms', ms: 2000 }, 0.5), 6000);
  assert.equal(scaleTimeout(10_000, { kind: 'share', share: 0.1 }, 1), 1000);
});

const HEAP = anyPack(fixedHeapMonitor.FixedHeapConfigSchema, create(fixedHeapMonitor.FixedHeapConfigSchema, { maxHeapSizeBytes: 1000n }));

function compile(json: JsonObject) {
  const { report, reasons } = createReport('bootstrap');
  const message = fromJson(configOverload.OverloadManagerSchema, json, { registry: messageRegistry() });
  message.resourceMonitors[0] = create(configOverload.ResourceMonitorSchema, {
    name: 'heap',
    configType: { case: 'typedConfig', value: HEAP },
  });
  return { settings: compileOverload(message, report), reasons };
}

test("Envoy's configuration decides instead of the defaults", () => {
  const { settings, reasons } = compile({
    refresh_interval: '0.5s',
    buffer_factory_config: { minimum_account_to_track_power_of_two: 20 },
    actions: [
      { name: 'envoy.overload_actions.stop_accepting_requests', triggers: [{ name: 'heap', threshold: { value: 0.9 } }] },
      {
        name: 'envoy.overload_actions.reduce_timeouts',
        triggers: [{ name: 'heap', scaled: { scaling_threshold: 0.5, saturation_threshold: 0.7 } }],
        typed_config: {
          '@type': 'type.googleapis.com/envoy.config.overload.v3.ScaleTimersOverloadActionConfig',
          timer_scale_factors: [{ timer: 'HTTP_DOWNSTREAM_CONNECTION_IDLE', min_timeout: '3s' }],
        },
      },
    ],
  });
  assert.deepEqual(reasons, []);
  assert.deepEqual(settings, {
    refreshIntervalMs: 500,
    heap: { name: 'heap', maxBytes: 1000 },
    maxDownstreamConnections: 50_000,
    actions: new Map([
      ['stop_accepting_requests', [{ resource: 'heap', scaling: 0.9, saturation: 0.9 }]],
      ['reduce_timeouts', [{ resource: 'heap', scaling: 0.5, saturation: 0.7 }]],
    ]),
    connectionIdle: { kind: 'ms', ms: 3000 },
    smallestResetBytes: MIB,
  });
});

test('what cannot be honoured is refused with its path', () => {
  const { reasons } = compile({
    loadshed_points: [{ name: 'x' }],
    actions: [
      { name: 'envoy.overload_actions.dance', triggers: [{ name: 'heap', threshold: { value: 1 } }] },
      { name: 'envoy.overload_actions.shrink_heap', triggers: [{ name: 'heat', threshold: { value: 1 } }] },
    ],
  });
  assert.deepEqual(reasons, [
    'bootstrap: loadshed_points: is not supported',
    'bootstrap: actions[0].name: "envoy.overload_actions.dance" is not supported',
    'bootstrap: actions[1].triggers[0].name: there is no resource monitor "heat"',
  ]);
});

test('runtime keys are shares and whole numbers as Envoy reads them', () => {
  const percent = { numerator: 5, denominator: 'TEN_THOUSAND' };
  const layers = new RuntimeLayers([
    {
      name: 'static',
      values: flattenLayer({ a: 150, b: 2.9, c: '7', d: percent, e: 'word', f: -1, g: { numerator: 50 } }),
      isAdmin: false,
    },
  ]);
  const read = (key: string) => [layers.share(key), layers.integer(key)];
  assert.deepEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'none'].map(read), [
    [1, 150],
    [0.02, 2],
    [0.07, 7],
    [0.0005, undefined],
    [undefined, undefined],
    [undefined, undefined],
    [0.5, undefined],
    [undefined, undefined],
  ]);
});

test('runtime keys come from layers, later ones over earlier ones, and the admin layer can be changed', () => {
  const layers = new RuntimeLayers([
    {
      name: 'static',
      values: flattenLayer({ envoy: { resource_limits: { listener: { a: { connection_limit: 7 } } } }, b: true }),
      isAdmin: false,
    },
    { name: 'admin', values: new Map(), isAdmin: true },
  ]);
  assert.equal(layers.number('envoy.resource_limits.listener.a.connection_limit'), 7);
  assert.equal(layers.number('b'), undefined);
  assert.equal(layers.modify([['envoy.resource_limits.listener.a.connection_limit', '9']]), true);
  assert.equal(layers.number('envoy.resource_limits.listener.a.connection_limit'), 9);
  assert.deepEqual(layers.toJson(), {
    layers: ['static', 'admin'],
    entries: {
      b: { final_value: 'true', layer_values: ['true', ''] },
      'envoy.resource_limits.listener.a.connection_limit': { final_value: '9', layer_values: ['7', '9'] },
    },
  });
});
