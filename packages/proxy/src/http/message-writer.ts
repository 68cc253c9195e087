// Puts messages on the wire: head and the body at hand in one write.

import { arena } from '../io/arena.ts';
import type { Connection } from '../io/connection.ts';
import { CR, LF, writeText } from './bytes.ts';
import type { Head } from './head.ts';

/** Pieces up to this size are copied next to their framing; larger ones are handed over. */
const COPY_BYTES = 64 * 1024;
const CHUNK_OVERHEAD = 24;
const CRLF = Buffer.from('\r\n');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

export type HeadMessage = {
  startLine: string;
  head: Head;
  /** Framing and hop-by-hop lines that the codec adds, each with CRLF. */
  extraLines: string;
  first: Buffer | undefined;
  chunked: boolean;
  /** Nothing follows `first`. */
  end: boolean;
};

/** Writes a message's head with the first part of its body. `first` may be transient: it is copied or kept through `source`. */
export function writeHead(connection: Connection, message: HeadMessage, source: Connection | undefined): boolean {
  const { head, first, chunked, startLine, extraLines } = message;
  const inline = first !== undefined && first.length <= COPY_BYTES;
  arena.reserve(startLine.length + head.maxSize() + extraLines.length + 2 + (inline ? first.length : 0) + 2 * CHUNK_OVERHEAD);
  const out = arena.slab;
  let at = arena.position;
  at = writeText(out, at, startLine);
  at = head.writeHeaders(out, at, extraLines);
  out[at++] = CR;
  out[at++] = LF;
  if (first !== undefined && first.length > 0) {
    if (!inline) {
      const flowing = arena.send(connection, at);
      return writeBody(connection, first, { chunked, source }) && flowing;
    }
    if (chunked) at += out.write(`${first.length.toString(16)}\r\n`, at, 'latin1');
    at += first.copy(out, at);
    if (chunked) at += out.write('\r\n', at, 'latin1');
  }
  if (message.end && chunked) at += out.write('0\r\n\r\n', at, 'latin1');
  return arena.send(connection, at);
}

/** Writes a part of a body; transient bytes are copied or kept through `source` (undefined: the bytes are ours). */
export function writeBody(connection: Connection, bytes: Buffer, how: { chunked: boolean; source: Connection | undefined }): boolean {
  if (bytes.length === 0) return true;
  if (bytes.length > COPY_BYTES) {
    const lasting = how.source ? how.source.keep(bytes) : bytes;
    if (!how.chunked) return connection.write(lasting);
    connection.cork();
    connection.write(Buffer.from(`${bytes.length.toString(16)}\r\n`, 'latin1'));
    connection.write(lasting);
    const flowing = connection.write(CRLF);
    connection.uncork();
    return flowing;
  }
  arena.reserve(bytes.length + CHUNK_OVERHEAD);
  const out = arena.slab;
  let at = arena.position;
  if (how.chunked) at += out.write(`${bytes.length.toString(16)}\r\n`, at, 'latin1');
  at += bytes.copy(out, at);
  if (how.chunked) {
    out[at++] = 13;
    out[at++] = 10;
  }
  return arena.send(connection, at);
}

/** Ends a chunked body. */
export function writeLastChunk(connection: Connection, trailers: Head | undefined): void {
  if (!trailers || trailers.maxSize() === 0) {
    connection.write(LAST_CHUNK);
    return;
  }
  arena.reserve(trailers.maxSize() + 8);
  let at = arena.position;
  at += arena.slab.write('0\r\n', at, 'latin1');
  at = trailers.writeHeaders(arena.slab, at, '\r\n');
  arena.send(connection, at);
}
