// Time enters the program here, so that everything above can run on virtual time in tests. Lint bans Date.now and bare
// timers elsewhere.

/** A pending timer; `cancel` is idempotent. */
export type Timer = { cancel(): void };

export type Clock = {
  /** Wall clock, milliseconds since the epoch. */
  now(): number;
  /** Monotonic milliseconds; only differences mean something. */
  monotonicMs(): number;
  /** Calls `run` once after `delayMs`. The timer does not keep the process alive when `background` is true (default false). */
  after(delayMs: number, run: () => void, options?: { background?: boolean }): Timer;
  /** Calls `run` every `periodMs` until cancelled; never keeps the process alive. */
  every(periodMs: number, run: () => void): Timer;
};

// `performance` is a global getter, asked here once.
const monotonicMs: () => number = performance.now.bind(performance);

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs,
  after(delayMs, run, options) {
    const handle = setTimeout(run, delayMs);
    if (options?.background) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  every(periodMs, run) {
    const handle = setInterval(run, periodMs);
    handle.unref();
    return { cancel: () => clearInterval(handle) };
  },
};

/** Resolves after `delayMs`, or rejects with the signal's reason when aborted first. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
