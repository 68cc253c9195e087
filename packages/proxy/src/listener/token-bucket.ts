// Tokens that come back at fixed intervals, as Envoy's local rate limit hands them out. No timer: time is looked at when asked.

import type { TokenBucketRuntime } from '../runtime/model.ts';

export class TokenBucketState {
  private readonly config: TokenBucketRuntime;
  private tokens: number;
  private filledMs: number;

  constructor(config: TokenBucketRuntime, nowMs: number) {
    this.config = config;
    this.tokens = config.maxTokens;
    this.filledMs = nowMs;
  }

  /** Takes a token; false when there is none. `nowMs` is monotonic. */
  take(nowMs: number): boolean {
    this.fill(nowMs);
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }

  get maxTokens(): number {
    return this.config.maxTokens;
  }

  /** How many tokens there are. */
  remaining(nowMs: number): number {
    this.fill(nowMs);
    return this.tokens;
  }

  /** Milliseconds until tokens come back. */
  nextFillMs(nowMs: number): number {
    this.fill(nowMs);
    return this.filledMs + this.config.fillIntervalMs - nowMs;
  }

  private fill(nowMs: number): void {
    const { maxTokens, tokensPerFill, fillIntervalMs } = this.config;
    const fills = Math.floor((nowMs - this.filledMs) / fillIntervalMs);
    if (fills > 0) {
      this.tokens = Math.min(maxTokens, this.tokens + fills * tokensPerFill);
      this.filledMs += fills * fillIntervalMs;
    }
  }
}
