// typed_per_filter_config: what a virtual host, route or weighted cluster changes about a filter.

import type { Any } from '@bufbuild/protobuf/wkt';
import { corsHttpFilter, FilterConfigSchema, faultHttpFilter, headerMutationHttpFilter } from '@lateen/xds/messages/proxy';
import type { HttpFilterOverride } from '../model.ts';
import { compileAny, extension } from './any.ts';
import { compileFault, compileFilterCors } from './fault-cors.ts';
import { compileMutations } from './header-mutation.ts';
import type { Report } from './report.ts';

export type FilterOverrides = ReadonlyMap<string, HttpFilterOverride>;

const OVERRIDES = [
  extension(
    faultHttpFilter.HTTPFaultSchema,
    (message, report): HttpFilterOverride => ({ kind: 'fault', fault: compileFault(message, report) }),
  ),
  extension(
    corsHttpFilter.CorsPolicySchema,
    (message, report): HttpFilterOverride => ({ kind: 'cors', cors: compileFilterCors(message, report) }),
  ),
  extension(
    headerMutationHttpFilter.HeaderMutationPerRouteSchema,
    (message, report): HttpFilterOverride => ({
      kind: 'header_mutation',
      ...compileMutations(message.mutations, report.at('mutations')),
    }),
  ),
];

const NONE: FilterOverrides = new Map();

export function compileFilterOverrides(configs: { [key: string]: Any }, report: Report): FilterOverrides {
  const entries = Object.entries(configs);
  if (entries.length === 0) return NONE;
  const overrides = new Map<string, HttpFilterOverride>();
  for (const [name, config] of entries) {
    const override = compileOverride(config, report.at('typed_per_filter_config', name));
    if (override) overrides.set(name, override);
  }
  return overrides;
}

function compileOverride(config: Any, report: Report): HttpFilterOverride | undefined {
  if (!config.typeUrl.endsWith(`/${FilterConfigSchema.typeName}`)) return compileAny(config, OVERRIDES, report);
  return compileAny(
    config,
    [
      extension(FilterConfigSchema, (wrapper, inner): HttpFilterOverride | undefined => {
        if (wrapper.disabled) return { kind: 'disabled' };
        return wrapper.config && compileAny(wrapper.config, OVERRIDES, inner.at('config'));
      }),
    ],
    report,
  );
}

/** Most specific first. */
export function mergeOverrides(levels: readonly FilterOverrides[]): FilterOverrides {
  const present = levels.filter((level) => level.size > 0);
  if (present.length < 2) return present[0] ?? NONE;
  return new Map(present.reverse().flatMap((level) => [...level]));
}
