// Earliest deadline first: every item is due once per 1/weight; whoever is due soonest is served. O(log n) per pick, and the
// weights may change between picks.

export class EdfScheduler<T> {
  private readonly items: readonly T[];
  private readonly weightOf: (item: T) => number;
  private readonly deadlines: Float64Array;
  /** Ties go by turn, so that equal weights are served in a circle. */
  private readonly turns: Float64Array;
  private readonly heap: Uint32Array;
  private turn: number;

  /** `start` (0 to 1) is where the circle begins. Weights must be positive. */
  constructor(items: readonly T[], weightOf: (item: T) => number, start: number) {
    const size = items.length;
    this.items = items;
    this.weightOf = weightOf;
    this.deadlines = Float64Array.from(items, (item) => 1 / weightOf(item));
    const first = Math.floor(start * size);
    this.turns = Float64Array.from(items, (_, i) => (i - first + size) % size);
    this.turn = size;
    this.heap = Uint32Array.from(items, (_, i) => i);
    for (let i = (size >> 1) - 1; i >= 0; i--) this.sink(i);
  }

  pick(): T | undefined {
    const { heap, items, deadlines } = this;
    if (items.length === 0) return undefined;
    const index = heap[0] as number;
    const item = items[index] as T;
    deadlines[index] = (deadlines[index] as number) + 1 / this.weightOf(item);
    this.turns[index] = this.turn++;
    this.sink(0);
    return item;
  }

  private isBefore(a: number, b: number): boolean {
    const difference = (this.deadlines[a] as number) - (this.deadlines[b] as number);
    // Sums of 1/weight that ought to be equal differ in their last bits.
    if (difference > 1e-9 || difference < -1e-9) return difference < 0;
    return (this.turns[a] as number) < (this.turns[b] as number);
  }

  private sink(from: number): void {
    const { heap } = this;
    const size = heap.length;
    const moving = heap[from] as number;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && this.isBefore(heap[child + 1] as number, heap[child] as number)) child++;
      if (!this.isBefore(heap[child] as number, moving)) break;
      heap[at] = heap[child] as number;
      at = child;
    }
    heap[at] = moving;
  }
}
