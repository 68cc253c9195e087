// How long a container that ended waits before it is started again: 10 s doubling to 5 min, and from the start again after
// a container ran for twice the longest wait.

const BASE_MS = 10_000;
const MAX_MS = 300_000;

export type RestartBackoff = {
  /** Records an end; `ranMs` is how long it had been running. Gives the wait before the next start: the first restart waits not at all. */
  ended(ranMs: number): number;
};

export function createRestartBackoff(): RestartBackoff {
  let nextMs = 0;
  return {
    ended(ranMs) {
      if (ranMs >= 2 * MAX_MS) nextMs = 0;
      const waitMs = nextMs;
      nextMs = nextMs === 0 ? BASE_MS : Math.min(MAX_MS, nextMs * 2);
      return waitMs;
    },
  };
}
