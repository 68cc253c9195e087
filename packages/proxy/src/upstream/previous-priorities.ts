// Envoy's envoy.retry_priorities.previous_priorities: retries go to priorities that the request has not met yet, until none is left.

import type { Host } from './host.ts';
import type { PriorityCapacity } from './priority-load.ts';

/** One priority as a retry sees it. */
export type PriorityView = PriorityCapacity & { has(host: Host): boolean };

/** Of one request. */
export class PreviousPriorities {
  private readonly updateFrequency: number;
  private attempted: Host[] = [];
  private readonly excluded = new Set<number>();
  private current: readonly number[] | undefined;

  /** `updateFrequency`: after so many attempts the priorities are looked at anew. */
  constructor(updateFrequency: number) {
    this.updateFrequency = updateFrequency;
  }

  add(host: Host): void {
    this.attempted.push(host);
  }

  /** Percent of the traffic for each level; undefined: the usual shares. */
  shares(levels: readonly PriorityView[]): readonly number[] | undefined {
    const count = this.attempted.length;
    if (count < this.updateFrequency) return undefined;
    if (count % this.updateFrequency === 0) this.current = this.adjusted(levels);
    return this.current;
  }

  private adjusted(levels: readonly PriorityView[]): readonly number[] | undefined {
    for (const host of this.attempted) {
      const index = levels.findIndex((level) => level.has(host));
      if (index >= 0) this.excluded.add(index);
    }
    const available = () => levels.map(({ healthy, degraded }, i) => (this.excluded.has(i) ? 0 : healthy + degraded));
    let left = available();
    if (left.every((one) => one === 0)) {
      // All were tried: from the start again.
      this.excluded.clear();
      this.attempted = [];
      left = available();
    }
    const total = Math.min(
      100,
      left.reduce((sum, one) => sum + one, 0),
    );
    return total === 0 ? undefined : distributed(left, total);
  }
}

/** As much as possible to the first ones, and what rounding leaves over from the start again. */
function distributed(available: readonly number[], total: number): readonly number[] {
  const shares = available.map(() => 0);
  let rest = 100;
  while (rest > 0) {
    for (const [i, one] of available.entries()) {
      const part = Math.min(rest, Math.floor((one * 100) / total));
      shares[i] = (shares[i] as number) + part;
      rest -= part;
    }
  }
  return shares;
}
