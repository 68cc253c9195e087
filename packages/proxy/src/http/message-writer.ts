// Puts messages on the wire: head and the body at hand in one write.

import { arena } from '../io/arena.ts';
import type { Connection } from '../io/connection.ts';
import { CR, LF, SP, writeText } from './bytes.ts';
import type { Head } from './head.ts';
import { capitalizeNames } from './name-letters.ts';

/** Pieces up to this size are copied next to their framing; larger ones are written from where they are. */
const COPY_BYTES = 8 * 1024;
const CHUNK_OVERHEAD = 24;
const CRLF = Buffer.from('\r\n');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');
const LAST_PIECE = Buffer.from('\r\n0\r\n\r\n');

export type HeadMessage = {
  /** The status line with CRLF, or the method. */
  startLine: string;
  /** The request's target; undefined for a response. */
  target: string | undefined;
  head: Head;
  /** Framing and hop-by-hop lines that the codec adds, each with CRLF. */
  extraLines: string;
  first: Buffer | undefined;
  chunked: boolean;
  /** Names are written Like-This, unless the head remembers its letters; some old peers want it. */
  properCase: boolean;
  /** Nothing follows `first`. */
  end: boolean;
};

/** Writes a message's head with the first part of its body. `first` is valid during the call only. */
export function writeHead(connection: Connection, message: HeadMessage, source: Connection | undefined): boolean {
  const { head, first, chunked, target, extraLines } = message;
  const inline = first !== undefined && first.length <= COPY_BYTES;
  const { memory } = head;
  const written = memory?.isRepeated && !message.properCase ? memory.written : undefined;
  const again = written?.again(head, message);
  if (!again && target === undefined && memory?.letters) message.startLine = memory.letters.statusLine(message.startLine);
  const headSize = again
    ? again.length
    : message.startLine.length + (target === undefined ? 0 : target.length + 12) + head.maxSize() + extraLines.length + 2;
  arena.reserve(headSize + (inline ? first.length : 0) + 2 * CHUNK_OVERHEAD);
  const out = arena.slab;
  let at = arena.position;
  if (again) {
    out.set(again, at);
    at += again.length;
  } else {
    at = writeHeadLines(out, at, message);
    written?.keep(head, message, { out, start: arena.position, end: at });
  }
  if (first !== undefined && first.length > 0) {
    if (chunked) at += out.write(`${first.length.toString(16)}\r\n`, at, 'latin1');
    if (!inline) {
      const after = chunked ? (message.end ? LAST_PIECE : CRLF) : undefined;
      return arena.sendWith(connection, at, { bytes: first, source, after });
    }
    at += first.copy(out, at);
    if (chunked) at += out.write('\r\n', at, 'latin1');
  }
  if (message.end && chunked) at += out.write('0\r\n\r\n', at, 'latin1');
  return arena.send(connection, at);
}

function writeHeadLines(out: Buffer, position: number, { startLine, target, head, extraLines, properCase }: HeadMessage): number {
  let at = writeText(out, position, startLine);
  if (target !== undefined) {
    out[at++] = SP;
    at = writeText(out, at, target);
    at = writeText(out, at, ' HTTP/1.1\r\n');
  }
  const start = at;
  at = head.writeHeaders(out, at, extraLines);
  const letters = head.memory?.letters;
  if (letters) letters.restore(out, { start, end: at }, head);
  else if (properCase) capitalizeNames(out, start, at);
  out[at++] = CR;
  out[at++] = LF;
  return at;
}

/** Writes a part of a body, which came from `source`. */
export function writeBody(connection: Connection, bytes: Buffer, how: { chunked: boolean; source: Connection | undefined }): boolean {
  if (bytes.length === 0) return true;
  if (bytes.length > COPY_BYTES) {
    if (!how.chunked) return connection.relay(bytes, how.source);
    arena.reserve(CHUNK_OVERHEAD);
    const end = arena.position + arena.slab.write(`${bytes.length.toString(16)}\r\n`, arena.position, 'latin1');
    return arena.sendWith(connection, end, { bytes, source: how.source, after: CRLF });
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
