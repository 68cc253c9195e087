// The last streams that ended: frames of the peer's that were on their way when we reset a stream are no fault of his, others are.

const SLOTS = 128;

export class RecentStreams {
  /** Ids in a ring; negative: reset by us while the peer was still sending. */
  private ring: Int32Array | undefined;
  private at = 0;

  note(streamId: number, peerMaySend: boolean): void {
    this.ring ??= new Int32Array(SLOTS);
    this.ring[this.at] = peerMaySend ? -streamId : streamId;
    this.at = (this.at + 1) % SLOTS;
  }

  /** We reset it, and frames of the peer's may still come. */
  wasResetByUs(streamId: number): boolean {
    return this.ring?.includes(-streamId) ?? false;
  }

  /** It was open once, and not long ago. */
  wasOpen(streamId: number): boolean {
    return (this.ring?.includes(streamId) ?? false) || this.wasResetByUs(streamId);
  }
}
