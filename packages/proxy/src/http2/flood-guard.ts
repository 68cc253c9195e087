// Counts what costs us much and the peer little. Names and defaults as Envoy's; what Envoy has no limit for is limited per period.

import type { Http2Settings } from '../runtime/model.ts';

/**
 * Frames that move no message, per period; besides, one for each frame of a message, either way: peers that measure the line (gRPC's
 * BDP estimate) send a PING with each DATA that they get.
 */
const MAX_IDLE_FRAMES = 1000;
const IDLE_FRAMES_PERIOD_MS = 10_000;
/** Streams after which a share of them that were reset early matters, and how early. */
const RESET_STREAMS = 500;
export const EARLY_RESET_MS = 1000;

/** Each method answers whether the peer has gone too far. */
export class FloodGuard {
  private readonly settings: Http2Settings;
  private readonly monotonicMs: () => number;
  private emptyInRow = 0;
  private idleFrames = 0;
  private idleSinceMs = 0;
  private messageFrames = 0;
  /** Frames of messages, both ways, when the period began. */
  private messageFramesBefore = 0;
  private priorityFrames = 0;
  private windowUpdates = 0;
  private streamsOpened = 0;
  private streamsClosed = 0;
  private earlyResets = 0;
  /** DATA frames that we sent. */
  dataFramesSent = 0;

  constructor(settings: Http2Settings, monotonicMs: () => number) {
    this.settings = settings;
    this.monotonicMs = monotonicMs;
  }

  onStreamOpened(): void {
    this.streamsOpened++;
  }

  /** HEADERS, CONTINUATION or DATA; `isEmpty`: without payload and END_STREAM. */
  onMessageFrame(isEmpty: boolean): boolean {
    if (!isEmpty) {
      this.emptyInRow = 0;
      this.messageFrames++;
      return false;
    }
    return ++this.emptyInRow > this.settings.maxConsecutiveInboundFramesWithEmptyPayload || this.onIdleFrame();
  }

  /** PING, SETTINGS, unknown frames and frames of streams that are gone. */
  onIdleFrame(): boolean {
    if (this.idleFrames === 0) this.beginPeriod(this.monotonicMs());
    if (++this.idleFrames <= MAX_IDLE_FRAMES) return false;
    if (this.idleFrames <= MAX_IDLE_FRAMES + this.messageFrames + this.dataFramesSent - this.messageFramesBefore) return false;
    const nowMs = this.monotonicMs();
    if (nowMs - this.idleSinceMs < IDLE_FRAMES_PERIOD_MS) return true;
    this.idleFrames = 1;
    this.beginPeriod(nowMs);
    return false;
  }

  private beginPeriod(nowMs: number): void {
    this.idleSinceMs = nowMs;
    this.messageFramesBefore = this.messageFrames + this.dataFramesSent;
  }

  onPriority(): boolean {
    return ++this.priorityFrames > this.settings.maxInboundPriorityFramesPerStream * (1 + this.streamsOpened);
  }

  onWindowUpdate(): boolean {
    const perData = this.settings.maxInboundWindowUpdateFramesPerDataFrameSent;
    return ++this.windowUpdates > 5 + 2 * (this.streamsOpened + perData * this.dataFramesSent);
  }

  /** A stream of the peer's has ended; `isEarlyReset`: by a reset of either side, soon after it was opened. */
  onStreamClosed(isEarlyReset: boolean): boolean {
    this.streamsClosed++;
    if (!isEarlyReset) return false;
    this.earlyResets++;
    // Envoy: before the limit is reached, half of it in resets is enough.
    if (this.streamsClosed < RESET_STREAMS) return this.earlyResets > RESET_STREAMS / 2;
    return this.earlyResets * 2 >= this.streamsClosed;
  }
}
