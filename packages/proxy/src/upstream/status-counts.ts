// How many answers had which status: upstream_rq_completed, upstream_rq_2xx, upstream_rq_200 and so on.

type Slot = { count: number };

export class StatusCounts {
  private readonly slots = new Map<number, Slot>();
  private lastStatus = 0;
  private last: Slot = { count: 0 };

  count(status: number): void {
    if (status !== this.lastStatus) {
      let slot = this.slots.get(status);
      if (!slot) {
        slot = { count: 0 };
        this.slots.set(status, slot);
      }
      this.lastStatus = status;
      this.last = slot;
    }
    this.last.count++;
  }

  /** Envoy's names, with the sums of all `parts`. */
  static named(parts: readonly StatusCounts[]): Record<string, number> {
    const values: Record<string, number> = {};
    const add = (name: string, count: number) => {
      values[name] = (values[name] ?? 0) + count;
    };
    for (const { slots } of parts) {
      for (const [status, { count }] of slots) {
        add('upstream_rq_completed', count);
        add(`upstream_rq_${Math.floor(status / 100)}xx`, count);
        add(`upstream_rq_${status}`, count);
      }
    }
    return values;
  }
}
