// Counters of filters that are not a listener's, a cluster's or a connection manager's, under Envoy's full names.

export class Counters {
  private readonly values = new Map<string, number>();

  count(name: string, by = 1): void {
    this.values.set(name, (this.values.get(name) ?? 0) + by);
  }

  value(name: string): number {
    return this.values.get(name) ?? 0;
  }

  entries(): IterableIterator<[name: string, value: number]> {
    return this.values.entries();
  }

  /** Sets back what only grows. */
  reset(): void {
    for (const name of this.values.keys()) if (!isGauge(name)) this.values.set(name, 0);
  }
}

/** A number that goes up and down. */
export const isGauge = (name: string): boolean => name.endsWith('_active') || name.endsWith('active_connections');
