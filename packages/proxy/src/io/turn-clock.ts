// Reading the clock costs as much as a small system call's way into the kernel, and one request asks for the time about ten times.
// While a read from a connection is being handled, the time of the first question serves for all.

import type { Clock } from '@lateen/base';

/** `id` changes with each read; `active` only while its handler runs. `atEnd`, if set while it runs, is called once after it. */
export const turn: { id: number; active: boolean; atEnd: (() => void) | undefined } = { id: 0, active: false, atEnd: undefined };

/** `clock`, whose readings stand still while one read is being handled. */
export function clockPerTurn(clock: Clock): Clock {
  let wallTurn = -1;
  let wallMs = 0;
  let monotonicTurn = -1;
  let monotonicMs = 0;
  return {
    now() {
      if (!turn.active) return clock.now();
      if (wallTurn !== turn.id) {
        wallTurn = turn.id;
        wallMs = clock.now();
      }
      return wallMs;
    },
    monotonicMs() {
      if (!turn.active) return clock.monotonicMs();
      if (monotonicTurn !== turn.id) {
        monotonicTurn = turn.id;
        monotonicMs = clock.monotonicMs();
      }
      return monotonicMs;
    },
    after: (delayMs, run, options) => clock.after(delayMs, run, options),
    every: (periodMs, run) => clock.every(periodMs, run),
  };
}
