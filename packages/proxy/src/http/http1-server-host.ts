// What stands on the other side of the HTTP/1.1 codec: the connection manager, and what it sets.

import type { PreserveCase } from '../runtime/model.ts';
import type { Head } from './head.ts';
import type { HeadFault, HeadLimits } from './head-parser.ts';
import type { Framing } from './message-framing.ts';
import type { ServerStreamHandler } from './stream.ts';

/** What the connection manager gives to its codec. */
export type Http1ServerOptions = {
  readonly limits: HeadLimits;
  /** Keeps trailers; otherwise they are read and dropped. */
  readonly trailers: boolean;
  /** Names of header fields are written Like-This. */
  readonly properCase: boolean;
  /** Names of header fields go upstream with the letters that the client wrote. */
  readonly preserveCase: PreserveCase | undefined;
  /** Clients of HTTP/1.0 are answered in it. */
  readonly acceptsHttp10: boolean;
  /** Takes Content-Length out of a chunked request instead of refusing it. */
  readonly allowChunkedLength: boolean;
};

/** The answer to what is no request. */
export type Refusal = {
  readonly status: number;
  readonly body: Buffer;
  /** Header lines, each with CRLF; framing is the codec's. */
  readonly lines: string;
};

/** The connection manager behind the codec. */
export interface Http1ServerHost {
  /**
   * A request with a well-formed head. `first` is the part of the body at hand (valid during the call), `end` tells that it is all.
   * Returns the request's handler; the answer may have been written already.
   */
  onRequest(head: Head, framing: Framing, first: Buffer | undefined, end: boolean): ServerStreamHandler;
  /** A request that cannot be taken; the codec sends the answer and closes. */
  onMalformedRequest(head: Head, fault: HeadFault): Refusal;
  /** A request is being received (its head is not complete). */
  onHeadStarted(): void;
  /** Nothing is under way. */
  onIdle(): void;
  /** The client will send no more, its request is complete and the answer is not. */
  onHalfClosed(): void;
  /** Our side has said its last word; the client should hang up. */
  onClosing(): void;
  onConnectionClosed(): void;
}
