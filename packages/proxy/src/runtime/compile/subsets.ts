// lb_subset_config: which metadata keys split a cluster's hosts, and what serves a request that names no subset.

import {
  type Cluster_LbSubsetConfig,
  Cluster_LbSubsetConfig_LbSubsetFallbackPolicy as Fallback,
  Cluster_LbSubsetConfig_LbSubsetMetadataFallbackPolicy as MetadataFallback,
  Cluster_LbSubsetConfig_LbSubsetSelector_LbSubsetSelectorFallbackPolicy as SelectorFallback,
} from '@lateen/xds/messages/proxy';
import type { LbMetadata, SubsetFallback, SubsetSelector, SubsetsRuntime } from '../model.ts';
import type { Report } from './report.ts';

const FALLBACK: Partial<Record<number, SubsetFallback>> = {
  [Fallback.NO_FALLBACK]: 'no_fallback',
  [Fallback.ANY_ENDPOINT]: 'any_endpoint',
  [Fallback.DEFAULT_SUBSET]: 'default_subset',
};
const SELECTOR_FALLBACK: Partial<Record<number, SubsetFallback>> = {
  [SelectorFallback.NO_FALLBACK]: 'no_fallback',
  [SelectorFallback.ANY_ENDPOINT]: 'any_endpoint',
  [SelectorFallback.DEFAULT_SUBSET]: 'default_subset',
  [SelectorFallback.KEYS_SUBSET]: 'keys_subset',
};

/** The cluster's field and the policy extension of the same shape; their enums count alike. */
type SubsetMessage = Pick<
  Cluster_LbSubsetConfig,
  'defaultSubset' | 'localityWeightAware' | 'scaleLocalityWeight' | 'panicModeAny' | 'listAsAny'
> & {
  readonly fallbackPolicy: number;
  readonly metadataFallbackPolicy: number;
  readonly subsetSelectors: readonly SelectorMessage[];
};
type SelectorMessage = {
  readonly keys: readonly string[];
  readonly singleHostPerSubset: boolean;
  readonly fallbackPolicy: number;
  readonly fallbackKeysSubset: readonly string[];
};

/** undefined: no selector, which Envoy takes as no subsets at all. */
export function compileSubsets(message: SubsetMessage, report: Report): SubsetsRuntime | undefined {
  const selectors = message.subsetSelectors.map((selector, i) => compileSelector(selector, report.at('subset_selectors', i)));
  if (selectors.length === 0) return undefined;
  const fallback = FALLBACK[message.fallbackPolicy];
  if (!fallback) report.at('fallback_policy').refuse(`unknown value ${message.fallbackPolicy}`);
  return {
    fallback: fallback ?? 'no_fallback',
    defaultSubset: (message.defaultSubset ?? {}) as LbMetadata,
    selectors,
    localityWeightAware: message.localityWeightAware,
    // Has no effect without the other, as in Envoy.
    scaleLocalityWeight: message.scaleLocalityWeight && message.localityWeightAware,
    panicModeAny: message.panicModeAny,
    listAsAny: message.listAsAny,
    usesFallbackList: message.metadataFallbackPolicy === MetadataFallback.FALLBACK_LIST,
  };
}

function compileSelector(message: SelectorMessage, report: Report): SubsetSelector {
  const keys = [...new Set(message.keys)].sort();
  const fallbackKeys = [...new Set(message.fallbackKeysSubset)].sort();
  if (keys.length === 0) report.at('keys').refuse('must not be empty');
  if (message.singleHostPerSubset && keys.length !== 1) report.at('single_host_per_subset').refuse('needs exactly one key');
  const fallback = SELECTOR_FALLBACK[message.fallbackPolicy];
  if (fallback === 'keys_subset') {
    const at = report.at('fallback_keys_subset');
    if (fallbackKeys.length === 0) at.refuse('must not be empty with KEYS_SUBSET');
    else if (fallbackKeys.length >= keys.length || fallbackKeys.some((key) => !keys.includes(key))) {
      at.refuse('must be a part of keys, and smaller');
    }
  } else if (fallbackKeys.length > 0) report.at('fallback_keys_subset').refuse('is only for KEYS_SUBSET');
  return { keys, singleHost: message.singleHostPerSubset, fallback, fallbackKeys };
}
