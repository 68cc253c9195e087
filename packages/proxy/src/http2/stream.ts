// What both ends have in common of one HTTP/2 stream: windows, pausing, what waits in either direction.

import type { Head } from '../http/head.ts';
import type { Connection } from '../io/connection.ts';
import type { Sender } from './frame-writer.ts';
import type { HeadTemplate } from './head-template.ts';
import type { Session } from './session.ts';
import { trailerBlock, writeTrailers } from './trailers.ts';

const NOTHING: Buffer[] = [];

export abstract class Http2Stream implements Sender {
  readonly session: Session;
  readonly id: number;
  readonly openedMs: number;
  sendWindow: number;
  queue: Buffer[] = NOTHING;
  queuedBytes = 0;
  endsAfterQueue = false;
  trailerBlock: Buffer | undefined;
  progressMs = 0;
  /** What the peer may still send; `uncredited` of it was taken and not given back. */
  recvWindow: number;
  uncredited = 0;
  /** END_STREAM has come, or gone. */
  remoteClosed = false;
  localClosed = false;
  /** The session does not know it any more. */
  gone = false;
  /** What the message's content-length promised and has come; -1: no promise. */
  protected promisedBytes = -1;
  private receivedBytes = 0;
  private paused = false;
  private held: Buffer[] | undefined;
  private heldEnd = false;
  private heldTrailers: HeadTemplate | undefined;

  constructor(session: Session, id: number) {
    this.session = session;
    this.id = id;
    this.openedMs = session.readMs;
    this.sendWindow = session.writer.peerInitialWindow;
    this.recvWindow = session.initialRecvWindow;
  }

  protected abstract deliverData(bytes: Buffer): void;
  protected abstract deliverEnd(trailers: HeadTemplate | undefined): void;
  /** The stream ended before its messages did: RST_STREAM from the peer, or an error that we answered by one. */
  abstract onBroken(cause: StreamEnd): void;
  abstract onSendDrained(): void;
  abstract onSendEnded(): void;

  // --- from the session

  /** Content of a DATA frame; false: more than content-length says. */
  receive(bytes: Buffer): boolean {
    this.receivedBytes += bytes.length;
    if (this.promisedBytes >= 0 && this.receivedBytes > this.promisedBytes) return false;
    if (bytes.length === 0) return true;
    if (this.paused) {
      this.held ??= [];
      this.held.push(this.session.connection.keep(bytes));
      return true;
    }
    this.deliverData(bytes);
    this.session.credit(this, bytes.length);
    return true;
  }

  /** The peer's message ends; false: content-length says more. */
  receiveEnd(trailers: HeadTemplate | undefined): boolean {
    if (!this.endsAsPromised()) return false;
    this.remoteClosed = true;
    if (this.paused && this.held) {
      this.heldEnd = true;
      this.heldTrailers = trailers;
    } else this.deliverEnd(trailers);
    return true;
  }

  endsAsPromised(): boolean {
    return this.promisedBytes < 0 || this.receivedBytes === this.promisedBytes;
  }

  /** Counts content that was handed over together with the head; false: more than content-length says. */
  protected countFirst(bytes: number): boolean {
    this.receivedBytes += bytes;
    return this.promisedBytes < 0 || this.receivedBytes <= this.promisedBytes;
  }

  // --- from the user of the stream

  protected pauseReading(): void {
    this.paused = true;
  }

  protected resumeReading(): void {
    if (!this.paused) return;
    this.paused = false;
    while (this.held && !this.paused && !this.gone) {
      const piece = this.held.shift();
      if (!piece) break;
      this.deliverData(piece);
      if (!this.gone) this.session.credit(this, piece.length);
    }
    if (this.held && this.held.length > 0) return;
    this.held = undefined;
    if (!this.heldEnd || this.paused || this.gone) return;
    this.heldEnd = false;
    this.deliverEnd(this.heldTrailers);
  }

  protected get isHolding(): boolean {
    return this.held !== undefined;
  }

  /** Bytes that came and were never passed on. */
  dropHeld(): number {
    let bytes = 0;
    for (const piece of this.held ?? NOTHING) bytes += piece.length;
    this.held = undefined;
    this.heldEnd = false;
    return bytes;
  }

  /** Sends a piece of the message's content. False: wait for `onSendDrained`. */
  sendData(bytes: Buffer, source: Connection | undefined): boolean {
    if (this.gone || this.localClosed) return true;
    if (this.queue === NOTHING) this.queue = [];
    if (this.session.writer.sendData(this, bytes, source)) return true;
    if (this.queue.length > 0) this.session.watchStalls();
    return false;
  }

  /** Ends our message, if need be after what waits; `onSendEnded` follows. */
  sendEnd(trailers: Head | undefined): void {
    if (this.gone || this.localClosed) return;
    if (this.queue.length > 0 || !trailers) return this.finishSending(trailers && trailerBlock(trailers));
    writeTrailers(this.session.writer, this.id, trailers);
    this.onSendEnded();
  }

  private finishSending(block: Buffer | undefined): void {
    if (this.endsAfterQueue) return;
    if (this.session.writer.sendEnd(this, block)) this.onSendEnded();
  }
}

/** Why a stream broke off: an error code of the peer's or ours, or the whole connection's end, be it by the peer's fault. */
export type StreamEnd =
  | { readonly kind: 'remote_reset'; readonly code: number }
  | { readonly kind: 'local_reset'; readonly code: number; readonly why: string }
  | { readonly kind: 'connection_failed'; readonly why: string }
  | { readonly kind: 'connection_closed' };
