// What a connection has to say within one turn is gathered and written at once. A buffer is held only while something is in it, so
// that an idle connection owns none.

import { arena } from '../io/arena.ts';
import type { Connection } from '../io/connection.ts';
import { turn } from '../io/turn-clock.ts';

const SLAB_BYTES = 64 * 1024;
/** Up to here a copy into memory that outlives the write is cheaper than giving a slab away. */
const COPY_BYTES = 16 * 1024;
const MAX_SPARE = 16;
const spare: Buffer[] = [];
const NOTHING = Buffer.alloc(0);

let waiting: Output[] = [];

/** After the current callback: one write per connection. */
function flushWaiting(): void {
  const due = waiting;
  waiting = [];
  for (const output of due) {
    try {
      output.flush();
    } catch (error) {
      // A fault of ours must cost one connection only.
      process.emitWarning(error instanceof Error ? error : String(error));
      output.connection.destroy();
    }
  }
}

export class Output {
  connection: Connection;
  /** Write from `length` on, after `reserve`. */
  bytes: Buffer = NOTHING;
  length = 0;
  /** The connection has queued more than its mark; it drains. */
  blocked = false;
  /** Counts the flushes: what stood in `bytes` before one cannot be changed any more. */
  epoch = 0;
  private scheduled = false;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** Makes sure that `size` bytes fit behind `length`. */
  reserve(size: number): void {
    if (this.bytes.length - this.length < size) this.makeRoom(size);
    if (!this.scheduled) this.schedule();
  }

  private makeRoom(size: number): void {
    if (this.length > 0) this.flush();
    this.bytes = size > SLAB_BYTES ? Buffer.allocUnsafeSlow(size) : (spare.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES));
  }

  private schedule(): void {
    this.scheduled = true;
    if (waiting.push(this) > 1) return;
    // A microtask of Node's costs several times the call.
    if (turn.active) turn.atEnd = flushWaiting;
    else queueMicrotask(flushWaiting);
  }

  /** Writes what there is. */
  flush(): void {
    this.scheduled = false;
    this.epoch++;
    const { bytes, length, connection } = this;
    this.bytes = NOTHING;
    this.length = 0;
    if (length === 0) return keepSpare(bytes);
    if (length <= COPY_BYTES) {
      arena.reserve(length);
      bytes.copy(arena.slab, arena.position, 0, length);
      keepSpare(bytes);
      if (!arena.send(connection, arena.position + length)) this.blocked = true;
      return;
    }
    if (!connection.write(length === bytes.length ? bytes : bytes.subarray(0, length))) this.blocked = true;
    if (connection.isFlushed) keepSpare(bytes);
  }
}

function keepSpare(slab: Buffer): void {
  if (slab.length === SLAB_BYTES && spare.length < MAX_SPARE) spare.push(slab);
}
