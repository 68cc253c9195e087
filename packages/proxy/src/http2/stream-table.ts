// The open streams of a connection by id. Ids only grow and most streams are short, so that nearly all find a place of their own by
// the low bits; those that live on while others come and go are kept in a map beside.

const FIRST_PLACES = 8;
const MAX_PLACES = 512;

export class StreamTable<T extends { readonly id: number }> {
  private places: (T | undefined)[] = new Array(FIRST_PLACES).fill(undefined);
  private crowded: Map<number, T> | undefined;
  size = 0;

  get(id: number): T | undefined {
    const stream = this.places[(id >>> 1) & (this.places.length - 1)];
    return stream?.id === id ? stream : this.crowded?.get(id);
  }

  add(stream: T): void {
    if (this.size * 2 >= this.places.length && this.places.length < MAX_PLACES) this.grow();
    this.size++;
    this.put(stream);
  }

  private put(stream: T): void {
    const at = (stream.id >>> 1) & (this.places.length - 1);
    if (this.places[at] === undefined) {
      this.places[at] = stream;
      return;
    }
    this.crowded ??= new Map();
    this.crowded.set(stream.id, stream);
  }

  private grow(): void {
    const streams = this.all();
    this.places = new Array(this.places.length * 4).fill(undefined);
    this.crowded = undefined;
    for (const stream of streams) this.put(stream);
  }

  delete(id: number): void {
    const at = (id >>> 1) & (this.places.length - 1);
    if (this.places[at]?.id === id) {
      this.places[at] = undefined;
      this.size--;
    } else if (this.crowded?.delete(id)) this.size--;
  }

  /** Those that are open now; later changes do not show. */
  all(): T[] {
    const streams = this.places.filter((stream) => stream !== undefined);
    if (this.crowded) streams.push(...this.crowded.values());
    return streams.sort((a, b) => a.id - b.id);
  }

  clear(): void {
    this.places.fill(undefined);
    this.crowded = undefined;
    this.size = 0;
  }
}
