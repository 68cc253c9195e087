// The dynamic table of an HPACK decoder (RFC 7541 2.3.2). Entries are kept as lines ready to be copied into a head, one after the
// other in one buffer, oldest first; a ring says where each begins. Nothing is allocated before the first entry comes.

const ENTRY_OVERHEAD = 32;
/** Four numbers per entry, as in the static table. */
const ENTRY_FIELDS = 4;
const FIRST_ENTRIES = 16;
const FIRST_BYTES = 512;
const NOTHING = Buffer.alloc(0);

export class DynamicTable {
  lines: Buffer = NOTHING;
  /** A ring of entries: line start, length of the name, length of the value, tag. */
  entries: Int32Array = new Int32Array(0);
  count = 0;
  /** As RFC 7541 4.1 counts. */
  sizeBytes = 0;
  maxBytes: number;
  private newest = -1;
  private end = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Where the entry is in `entries`; `index` 0 is the newest. The caller checks `count`. */
  at(index: number): number {
    const slots = this.entries.length / ENTRY_FIELDS;
    return ((this.newest - index + slots) % slots) * ENTRY_FIELDS;
  }

  clear(): void {
    this.evict(0);
  }

  resize(maxBytes: number): void {
    this.maxBytes = maxBytes;
    this.evict(maxBytes);
  }

  /** Adds the field whose line starts at `start` of `source`. One larger than the table empties it (RFC 7541 4.4). */
  insert(source: Buffer, start: number, field: { nameLength: number; valueLength: number; tag: number }): void {
    const { nameLength, valueLength } = field;
    const size = nameLength + valueLength + ENTRY_OVERHEAD;
    if (size > this.maxBytes) return this.evict(0);
    this.evict(this.maxBytes - size);
    const lineLength = nameLength + valueLength + 4;
    this.makeRoom(lineLength);
    source.copy(this.lines, this.end, start, start + lineLength);
    this.newest = (this.newest + 1) % (this.entries.length / ENTRY_FIELDS);
    const at = this.newest * ENTRY_FIELDS;
    this.entries[at] = this.end;
    this.entries[at + 1] = nameLength;
    this.entries[at + 2] = valueLength;
    this.entries[at + 3] = field.tag;
    this.end += lineLength;
    this.sizeBytes += size;
    this.count++;
  }

  private evict(targetBytes: number): void {
    while (this.count > 0 && this.sizeBytes > targetBytes) {
      const at = this.at(this.count - 1);
      this.sizeBytes -= (this.entries[at + 1] as number) + (this.entries[at + 2] as number) + ENTRY_OVERHEAD;
      this.count--;
    }
    if (this.count === 0) this.end = 0;
  }

  private makeRoom(lineLength: number): void {
    const slots = this.entries.length / ENTRY_FIELDS;
    if (this.count === slots) this.growRing(Math.max(FIRST_ENTRIES, slots * 2));
    if (this.end + lineLength <= this.lines.length) return;
    const from = this.count > 0 ? (this.entries[this.at(this.count - 1)] as number) : this.end;
    const live = this.end - from;
    // Moving what lives to the front is rare when it fills at most half of the buffer.
    let capacity = Math.max(FIRST_BYTES, this.lines.length);
    while (capacity < 2 * (live + lineLength)) capacity *= 2;
    const target = capacity === this.lines.length ? this.lines : Buffer.allocUnsafeSlow(capacity);
    this.lines.copy(target, 0, from, this.end);
    this.lines = target;
    this.end = live;
    for (let i = 0; i < this.count; i++) {
      const at = this.at(i);
      this.entries[at] = (this.entries[at] as number) - from;
    }
  }

  private growRing(slots: number): void {
    const grown = new Int32Array(slots * ENTRY_FIELDS);
    for (let i = 0; i < this.count; i++) {
      const from = this.at(this.count - 1 - i);
      grown.set(this.entries.subarray(from, from + ENTRY_FIELDS), i * ENTRY_FIELDS);
    }
    this.entries = grown;
    this.newest = this.count - 1;
  }
}
