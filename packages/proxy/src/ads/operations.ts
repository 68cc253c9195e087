// The parts of a bootstrap that say how the proxy is operated: overload, runtime keys, which statistics are kept.

import type { JsonObject } from '@lateen/base';
import type { Bootstrap } from '@lateen/xds/messages/admin';
import { compileStatsConfig, ISTIO_STATS, type StatsSettings } from '../observe/stats-config.ts';
import { NO_STATSD, type StatsdSettings } from '../observe/statsd.ts';
import { compileOverload } from '../overload/compile-overload.ts';
import { flattenLayer, NO_RUNTIME_LAYERS, type RuntimeLayer, RuntimeLayers } from '../overload/runtime-layers.ts';
import { DEFAULT_OVERLOAD, type OverloadSettings } from '../overload/settings.ts';
import type { Report } from '../runtime/compile/report.ts';
import { compileStatsSinks } from './stats-sinks.ts';

export type Operations = {
  readonly overload: OverloadSettings;
  readonly layers: RuntimeLayers;
  readonly stats: StatsSettings;
  readonly statsd: StatsdSettings;
};

export const DEFAULT_OPERATIONS: Operations = {
  overload: DEFAULT_OVERLOAD,
  layers: NO_RUNTIME_LAYERS,
  stats: ISTIO_STATS,
  statsd: NO_STATSD,
};

export function compileOperations(message: Bootstrap, report: Report): Operations {
  return {
    overload: compileOverload(message.overloadManager, report.at('overload_manager')),
    layers: compileLayers(message, report.at('layered_runtime')),
    stats: compileStatsConfig(message.statsConfig, report.at('stats_config')),
    statsd: compileStatsSinks(message, report),
  };
}

function compileLayers({ layeredRuntime }: Bootstrap, report: Report): RuntimeLayers {
  const names = new Set<string>();
  let admins = 0;
  const layers = (layeredRuntime?.layers ?? []).flatMap(({ name, layerSpecifier }, i): RuntimeLayer[] => {
    if (names.has(name))
      report
        .at('layers', i)
        .at('name')
        .refuse(`${JSON.stringify(name)} is the name of two layers`);
    names.add(name);
    if (layerSpecifier.case === 'adminLayer' && admins++) report.at('layers', i).refuse('there can be one admin_layer only');
    if (layerSpecifier.case === 'staticLayer') {
      return [{ name, values: flattenLayer(layerSpecifier.value as JsonObject), isAdmin: false }];
    }
    if (layerSpecifier.case === 'adminLayer') return [{ name, values: new Map(), isAdmin: true }];
    report.at('layers', i).refuse(`${layerSpecifier.case ?? 'a layer without a source'} is not supported`);
    return [];
  });
  return new RuntimeLayers(layers);
}
