// Subsets: a request that asks for metadata is served by the hosts that have it, each subset balanced like a cluster of its own.

import type { Json } from '@lateen/base';
import type { LbMetadata, SubsetFallback, SubsetSelector, SubsetsRuntime } from '../runtime/model.ts';
import type { SubsetStats } from './cluster-stats.ts';
import type { Host } from './host.ts';
import { assignLoad, type LoadServices, type LoadSettings, type LocalityHosts } from './load-assignment.ts';
import type { Picker, PickOptions } from './picker.ts';

type Subset = { readonly localities: readonly LocalityHosts[]; picker: Picker | undefined };
/** A selector's subsets by the text of their values. */
type Index = { readonly selector: SubsetSelector; readonly subsets: ReadonlyMap<string, Subset> };

/** What serves a request: a subset, or what stands in for it by the policy of a selector or of the cluster. */
type Found =
  | { readonly kind: 'subset'; readonly subset: Subset }
  | { readonly kind: 'selector' | 'cluster'; readonly policy: SubsetFallback };

const FALLBACK_LIST = 'fallback_list';
const NO_CRITERIA: LbMetadata = {};

export class SubsetBalancer implements Picker {
  private readonly subsets: SubsetsRuntime;
  private readonly settings: LoadSettings;
  private readonly localities: readonly LocalityHosts[];
  private readonly services: LoadServices & { readonly subsetStats?: SubsetStats };
  private readonly indexes: readonly Index[];
  private readonly defaultSubset: Subset;
  private readonly everything: Subset;
  /** Routes hand in the same object for each of their requests. */
  private readonly found = new WeakMap<LbMetadata, Found>();

  constructor(
    subsets: SubsetsRuntime,
    settings: LoadSettings,
    localities: readonly LocalityHosts[],
    services: LoadServices & { readonly subsetStats?: SubsetStats },
  ) {
    this.subsets = subsets;
    this.settings = settings;
    this.localities = localities;
    this.services = services;
    this.everything = { localities, picker: undefined };
    this.indexes = subsets.selectors.map((selector) => ({ selector, subsets: this.index(selector) }));
    this.defaultSubset = this.subsetOf((host) => hasAll(metadataOf(host), subsets.defaultSubset, subsets.listAsAny));
    const { subsetStats } = services;
    if (subsetStats) subsetStats.countSubsets(this.indexes.reduce((sum, one) => sum + one.subsets.size, 0));
  }

  /** Call when the health of a host changed. */
  reset(): void {
    for (const { subsets } of this.indexes) for (const subset of subsets.values()) subset.picker = undefined;
    this.defaultSubset.picker = undefined;
    this.everything.picker = undefined;
  }

  pick(options: PickOptions = {}): Host | undefined {
    const criteria = options.metadataMatch;
    const alternatives = this.subsets.usesFallbackList ? criteria?.[FALLBACK_LIST] : undefined;
    if (!criteria || !Array.isArray(alternatives) || alternatives.length === 0) return this.pickOne(criteria ?? NO_CRITERIA, options);
    const { [FALLBACK_LIST]: _, ...base } = criteria;
    for (const each of alternatives) {
      const host = this.pickOne({ ...base, ...(each as LbMetadata) }, options);
      if (host) return host;
    }
    return undefined;
  }

  private pickOne(criteria: LbMetadata, options: PickOptions): Host | undefined {
    const { subsetStats } = this.services;
    let found = this.found.get(criteria);
    if (found === undefined) {
      found = this.lookUp(criteria);
      this.found.set(criteria, found);
    }
    if (found.kind === 'subset') {
      if (subsetStats) subsetStats.lb_subsets_selected++;
      return this.pickerOf(found.subset).pick(options);
    }
    if (found.policy === 'no_fallback') return undefined;
    const host = this.pickerOf(found.policy === 'default_subset' ? this.defaultSubset : this.everything).pick(options);
    // Numbers, and the last resort, are for the cluster's own fallback.
    if (found.kind === 'selector') return host;
    if (host) {
      if (subsetStats) subsetStats.lb_subsets_fallback++;
      return host;
    }
    if (!this.subsets.panicModeAny) return undefined;
    const last = this.pickerOf(this.everything).pick(options);
    if (last && subsetStats) subsetStats.lb_subsets_fallback_panic++;
    return last;
  }

  /** The subset of the criteria, or what serves instead of it. */
  private lookUp(criteria: LbMetadata): Found {
    const keys = Object.keys(criteria).sort();
    const index = keys.length === 0 ? undefined : this.indexes.find((one) => one.selector.keys.join('\0') === keys.join('\0'));
    if (!index) return { kind: 'cluster', policy: this.subsets.fallback };
    const { selector, subsets } = index;
    const subset = subsets.get(textOf(keys.map((key) => criteria[key] as Json)));
    if (subset) return { kind: 'subset', subset };
    if (selector.fallback === undefined) return { kind: 'cluster', policy: this.subsets.fallback };
    if (selector.fallback !== 'keys_subset') return { kind: 'selector', policy: selector.fallback };
    return this.lookUp(Object.fromEntries(selector.fallbackKeys.map((key) => [key, criteria[key] as Json])));
  }

  private pickerOf(subset: Subset): Picker {
    const { subsets, settings, services } = this;
    const localityWeighted = settings.localityWeighted && (subsets.localityWeightAware || subset === this.everything);
    subset.picker ??= assignLoad({ ...settings, localityWeighted }, subset.localities, services);
    return subset.picker;
  }

  private index(selector: SubsetSelector): Map<string, Subset> {
    const hosts = new Map<string, Set<Host>>();
    for (const locality of this.localities) {
      for (const host of locality.hosts) {
        for (const text of this.textsOf(host, selector)) {
          const known = hosts.get(text);
          if (!known) hosts.set(text, new Set([host]));
          else if (!selector.singleHost) known.add(host);
          else if (this.services.subsetStats) this.services.subsetStats.lb_subsets_single_host_per_subset_duplicate++;
        }
      }
    }
    return new Map([...hosts].map(([text, chosen]) => [text, this.subsetOf((host) => chosen.has(host))]));
  }

  /** The host's place in a selector's index: one, none when it lacks a key, several when a value is a list. */
  private textsOf(host: Host, { keys }: SubsetSelector): string[] {
    const metadata = metadataOf(host);
    let rows: Json[][] = [[]];
    for (const key of keys) {
      const value = Object.hasOwn(metadata, key) ? metadata[key] : undefined;
      if (value === undefined) return [];
      const values = this.subsets.listAsAny && Array.isArray(value) ? value : [value];
      rows = rows.flatMap((row) => values.map((each) => [...row, each]));
    }
    return rows.map(textOf);
  }

  private subsetOf(has: (host: Host) => boolean): Subset {
    const localities = this.localities.flatMap((locality) => {
      const hosts = locality.hosts.filter(has);
      if (hosts.length === 0) return [];
      const scale = this.subsets.scaleLocalityWeight ? hosts.length / locality.hosts.length : 1;
      return [{ ...locality, hosts, weight: locality.weight === 0 ? 0 : Math.max(1, Math.round(locality.weight * scale)) }];
    });
    return { localities, picker: undefined };
  }
}

const metadataOf = (host: Host): LbMetadata => host.endpoint.metadata.get('envoy.lb') ?? NO_CRITERIA;

function hasAll(metadata: LbMetadata, wanted: LbMetadata, listAsAny: boolean): boolean {
  return Object.entries(wanted).every(([key, value]) => {
    const own = Object.hasOwn(metadata, key) ? metadata[key] : undefined;
    if (own === undefined) return false;
    const values = listAsAny && Array.isArray(own) ? own : [own];
    return values.some((each) => textOf([each]) === textOf([value]));
  });
}

/** Equal for equal values, whatever the order of their fields. */
const textOf = (values: readonly Json[]): string =>
  JSON.stringify(values, (_key, value: unknown) =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
