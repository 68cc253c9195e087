// Tokens that come back little by little, as Envoy's local rate limit hands them out. No timer: time is looked at when asked.

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

  /** How many whole tokens there are. */
  remaining(nowMs: number): number {
    this.fill(nowMs);
    return Math.floor(this.tokens);
  }

  /** Milliseconds until a token can be taken; 0: one is there. */
  nextTokenMs(nowMs: number): number {
    this.fill(nowMs);
    const { tokensPerFill, fillIntervalMs } = this.config;
    return this.tokens >= 1 ? 0 : ((1 - this.tokens) * fillIntervalMs) / tokensPerFill;
  }

  private fill(nowMs: number): void {
    const { maxTokens, tokensPerFill, fillIntervalMs } = this.config;
    this.tokens = Math.min(maxTokens, this.tokens + ((nowMs - this.filledMs) * tokensPerFill) / fillIntervalMs);
    this.filledMs = nowMs;
  }
}
