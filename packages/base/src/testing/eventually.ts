// Waiting in tests: poll until the check stops throwing. Never sleep a fixed time.

export type EventuallyOptions = { timeoutMs?: number; intervalMs?: number };

/** Calls `check` until it neither throws nor returns false; gives its value. Fails with the last error after `timeoutMs` (default 10 s). */
export async function eventually<T>(check: () => T | Promise<T>, options: EventuallyOptions = {}): Promise<T> {
  const { timeoutMs = 10_000, intervalMs = 20 } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let failure: unknown;
    try {
      const value = await check();
      if (value !== false) return value;
      failure = new Error('the check kept returning false');
    } catch (error) {
      failure = error;
    }
    if (performance.now() >= deadline) {
      throw new Error(`not within ${timeoutMs} ms: ${failure instanceof Error ? failure.message : String(failure)}`, { cause: failure });
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}
