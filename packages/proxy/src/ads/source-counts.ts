// What became of updates, per subscription, under Envoy's names.

import type { ResourceKind } from './live-config.ts';

export type SourceCounts = {
  update_attempt: number;
  update_success: number;
  /** Readable, but not to be served. */
  update_rejected: number;
  /** Not readable. */
  update_failure: number;
  /** Readable, without the resource. */
  update_empty: number;
  init_fetch_timeout: number;
  /** Successes that changed something. */
  config_reload: number;
  /** Wall clock of the last success, milliseconds. */
  update_time: number;
};

export type UpdateOutcome = 'success' | 'rejected' | 'failure' | 'empty';

export type SourceCounters = {
  /** `key` is empty for clusters and listeners. */
  count(kind: ResourceKind, key: string, outcome: UpdateOutcome): void;
  countReload(kind: ResourceKind, key: string): void;
  countTimeout(kind: ResourceKind, key: string): void;
  of(kind: ResourceKind, key: string): Readonly<SourceCounts>;
};

/** `now`: wall clock, milliseconds. */
export function createSourceCounters(now: () => number): SourceCounters {
  const byId = new Map<string, SourceCounts>();
  const own = (kind: ResourceKind, key: string) => {
    const id = `${kind} ${key}`;
    const known = byId.get(id) ?? newCounts();
    byId.set(id, known);
    return known;
  };
  return {
    count(kind, key, outcome) {
      const counts = own(kind, key);
      counts.update_attempt++;
      if (outcome === 'rejected') counts.update_rejected++;
      else if (outcome === 'failure') counts.update_failure++;
      else {
        counts.update_success++;
        counts.update_time = now();
        if (outcome === 'empty') counts.update_empty++;
      }
    },
    countReload: (kind, key) => void own(kind, key).config_reload++,
    countTimeout: (kind, key) => void own(kind, key).init_fetch_timeout++,
    of: (kind, key) => byId.get(`${kind} ${key}`) ?? NO_COUNTS,
  };
}

const newCounts = (): SourceCounts => ({
  update_attempt: 0,
  update_success: 0,
  update_rejected: 0,
  update_failure: 0,
  update_empty: 0,
  init_fetch_timeout: 0,
  config_reload: 0,
  update_time: 0,
});
const NO_COUNTS: Readonly<SourceCounts> = newCounts();
