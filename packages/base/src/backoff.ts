/** Exponential back-off with full jitter above a floor. `next()` gives the next delay in milliseconds; `reset()` starts over. */
export type Backoff = { next(): number; reset(): void };

export type BackoffOptions = {
  baseMs: number;
  maxMs: number;
  /** Default 2. */
  factor?: number;
  /** Share of the delay that is random, 0 to 1. Default 0.5. */
  jitter?: number;
  /** Uniform in [0, 1). Default Math.random. */
  random?: () => number;
};

export function createBackoff(options: BackoffOptions): Backoff {
  const { baseMs, maxMs, factor = 2, jitter = 0.5, random = Math.random } = options;
  let current = baseMs;
  return {
    next() {
      const delayMs = current * (1 - jitter * random());
      current = Math.min(maxMs, current * factor);
      return delayMs;
    },
    reset() {
      current = baseMs;
    },
  };
}
