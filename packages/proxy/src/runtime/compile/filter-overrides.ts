// typed_per_filter_config: what a virtual host, route or weighted cluster changes about a filter.

import type { Any } from '@bufbuild/protobuf/wkt';
import {
  bufferHttpFilter,
  corsHttpFilter,
  FilterConfigSchema,
  faultHttpFilter,
  headerMutationHttpFilter,
  headerToMetadataHttpFilter,
  localRatelimitHttpFilter,
  setFilterStateHttpFilter,
  setMetadataHttpFilter,
} from '@lateen/xds/messages/proxy';
import type { HttpFilterOverride } from '../model.ts';
import { compileAny, extension } from './any.ts';
import { compileFault, compileFilterCors, mergeCors } from './fault-cors.ts';
import { compileMutations } from './header-mutation.ts';
import { compileLocalRateLimit } from './local-rate-limit.ts';
import { compileBuffer, compileHeaderToMetadata, compileSetFilterState, compileSetMetadata } from './metadata-filters.ts';
import { honours, type Report } from './report.ts';

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
      levels: [compileMutations(message.mutations, report.at('mutations'))],
    }),
  ),
  extension(
    localRatelimitHttpFilter.LocalRateLimitSchema,
    (message, report): HttpFilterOverride => ({ kind: 'local_ratelimit', limit: compileLocalRateLimit(message, report) }),
  ),
  extension(bufferHttpFilter.BufferPerRouteSchema, ({ override }): HttpFilterOverride => {
    if (override.case === 'buffer') return { kind: 'buffer', ...compileBuffer(override.value) };
    return { kind: 'disabled' };
  }),
  extension(
    setFilterStateHttpFilter.ConfigSchema,
    (message, report): HttpFilterOverride => ({ kind: 'set_filter_state', levels: [compileSetFilterState(message, report)] }),
  ),
  extension(
    setMetadataHttpFilter.ConfigSchema,
    (message, report): HttpFilterOverride => ({ kind: 'set_metadata', writes: compileSetMetadata(message, report) }),
  ),
  extension(headerToMetadataHttpFilter.ConfigSchema, (message, report): HttpFilterOverride => {
    if (message.requestRules.length + message.responseRules.length === 0) report.refuse('request_rules or response_rules are required');
    return { kind: 'header_to_metadata', ...compileHeaderToMetadata(message, report) };
  }),
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

const checkWrapper = honours(FilterConfigSchema, ['config', 'isOptional', 'disabled']);
const WRAPPER = [
  extension(FilterConfigSchema, (wrapper, report): HttpFilterOverride | undefined => {
    checkWrapper(wrapper, report);
    if (wrapper.disabled) return { kind: 'disabled' };
    const { config } = wrapper;
    if (!config) {
      report.refuse('config is required where disabled is not set');
      return undefined;
    }
    // Switches a disabled filter on.
    if (config.typeUrl === '') return { kind: 'enabled' };
    if (wrapper.isOptional && !OVERRIDES.some((known) => config.typeUrl.endsWith(`/${known.schema.typeName}`))) return undefined;
    return compileAny(config, OVERRIDES, report.at('config'));
  }),
];

const compileOverride = (config: Any, report: Report): HttpFilterOverride | undefined =>
  config.typeUrl.endsWith(`/${FilterConfigSchema.typeName}`)
    ? compileAny<HttpFilterOverride | undefined>(config, WRAPPER, report)
    : compileAny(config, OVERRIDES, report);

/** Most specific first. Of some kinds all levels take part, of everything else the most specific. */
export function mergeOverrides(levels: readonly FilterOverrides[]): FilterOverrides {
  const present = levels.filter((level) => level.size > 0);
  if (present.length < 2) return present[0] ?? NONE;
  const merged = new Map<string, HttpFilterOverride>();
  for (const level of present) {
    for (const [name, override] of level) {
      const known = merged.get(name);
      if (known === undefined) merged.set(name, override);
      else if (known.kind === 'header_mutation' && override.kind === 'header_mutation') {
        merged.set(name, { kind: 'header_mutation', levels: [...known.levels, ...override.levels] });
      } else if (known.kind === 'set_filter_state' && override.kind === 'set_filter_state') {
        merged.set(name, { kind: 'set_filter_state', levels: [...known.levels, ...override.levels] });
      } else if (known.kind === 'cors' && override.kind === 'cors') {
        merged.set(name, { kind: 'cors', cors: mergeCors(known.cors, override.cors) });
      }
    }
  }
  return merged;
}
