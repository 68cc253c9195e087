// Things that must be closed, closed once, in reverse order of their start.

export type Closable = { close(): void | Promise<void> };

export type Lifecycle = Closable & {
  /** Registers something to close; returns it. After `close` began, it is closed at once. */
  add<T extends Closable>(thing: T): T;
  /** Registers a bare close function. */
  defer(close: () => void | Promise<void>): void;
  readonly signal: AbortSignal;
};

/** `close()` aborts the signal, then closes everything in reverse order; errors are collected into one AggregateError. */
export function createLifecycle(): Lifecycle {
  const stack: (() => void | Promise<void>)[] = [];
  const abort = new AbortController();
  let closing: Promise<void> | undefined;
  const closeAll = async () => {
    abort.abort(new Error('closed'));
    const errors: unknown[] = [];
    for (let close = stack.pop(); close; close = stack.pop()) {
      try {
        await close();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'errors while closing');
  };
  const defer = (close: () => void | Promise<void>) => {
    if (closing) void Promise.resolve(close()).catch(() => {});
    else stack.push(close);
  };
  return {
    signal: abort.signal,
    add(thing) {
      defer(() => thing.close());
      return thing;
    },
    defer,
    close() {
      closing ??= closeAll();
      return closing;
    },
  };
}
