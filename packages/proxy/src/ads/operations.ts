// The parts of a bootstrap that say how the proxy is operated: overload, runtime keys, which statistics are kept.

import type { JsonObject } from '@lateen/base';
import type { Bootstrap } from '@lateen/xds/messages/admin';
import { compileOverload } from '../overload/compile-overload.ts';
import { flattenLayer, NO_RUNTIME_LAYERS, type RuntimeLayer, RuntimeLayers } from '../overload/runtime-layers.ts';
import { DEFAULT_OVERLOAD, type OverloadSettings } from '../overload/settings.ts';
import { compileStringMatcher } from '../runtime/compile/match.ts';
import type { Report } from '../runtime/compile/report.ts';

export type Operations = {
  readonly overload: OverloadSettings;
  readonly layers: RuntimeLayers;
  /** Whether a statistic is kept, by its full name; undefined: all are. */
  readonly includesStat: ((name: string) => boolean) | undefined;
};

export const DEFAULT_OPERATIONS: Operations = { overload: DEFAULT_OVERLOAD, layers: NO_RUNTIME_LAYERS, includesStat: undefined };

export function compileOperations(message: Bootstrap, report: Report): Operations {
  return {
    overload: compileOverload(message.overloadManager, report.at('overload_manager')),
    layers: compileLayers(message, report.at('layered_runtime')),
    includesStat: compileStatsMatcher(message, report.at('stats_config').at('stats_matcher')),
  };
}

function compileLayers({ layeredRuntime }: Bootstrap, report: Report): RuntimeLayers {
  const layers = (layeredRuntime?.layers ?? []).flatMap(({ name, layerSpecifier }, i): RuntimeLayer[] => {
    if (layerSpecifier.case === 'staticLayer') {
      return [{ name, values: flattenLayer(layerSpecifier.value as JsonObject), isAdmin: false }];
    }
    if (layerSpecifier.case === 'adminLayer') return [{ name, values: new Map(), isAdmin: true }];
    report.at('layers', i).refuse(`${layerSpecifier.case ?? 'a layer without a source'} is not supported`);
    return [];
  });
  return new RuntimeLayers(layers);
}

function compileStatsMatcher({ statsConfig }: Bootstrap, report: Report): Operations['includesStat'] {
  const rule = statsConfig?.statsMatcher?.statsMatcher;
  switch (rule?.case) {
    case 'rejectAll':
      return rule.value ? () => false : undefined;
    case 'inclusionList':
    case 'exclusionList': {
      const field = rule.case === 'inclusionList' ? 'inclusion_list' : 'exclusion_list';
      const patterns = rule.value.patterns.map((each, i) => compileStringMatcher(each, report.at(field).at('patterns', i)));
      const isListed = (name: string) => patterns.some((pattern) => pattern.test(name));
      return rule.case === 'inclusionList' ? isListed : (name) => !isListed(name);
    }
    default:
      return undefined;
  }
}
