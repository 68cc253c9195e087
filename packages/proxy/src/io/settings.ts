// How this process does its socket I/O: for tests and for emergencies.

export type IoSettings = {
  /** `auto`: bare handles once a self-test has passed, sockets before and otherwise. */
  readonly kind: 'auto' | 'socket' | 'handle';
};

/** `LATEEN_IO`: "socket" or "handle"; anything else is `auto`. */
export function readIoSettings(env: Readonly<Record<string, string | undefined>> = process.env): IoSettings {
  const { LATEEN_IO: kind } = env;
  return { kind: kind === 'socket' || kind === 'handle' ? kind : 'auto' };
}
