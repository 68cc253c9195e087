// What a person sees while a mesh starts: a line when a step is done, with the time it took; a failed step says so.

import { type Clock, systemClock } from '@lateen/base';

export type Progress = {
  /** Runs the step and prints its line. `describe` may add what came out of it. */
  step<T>(name: string, run: () => Promise<T>, describe?: (result: T) => string): Promise<T>;
  /** A line of its own. */
  note(text: string): void;
};

export function createProgress(write: (text: string) => void, clock: Clock = systemClock): Progress {
  return {
    async step(name, run, describe) {
      const startedMs = clock.monotonicMs();
      const elapsed = () => `${((clock.monotonicMs() - startedMs) / 1000).toFixed(1)} s`;
      try {
        const result = await run();
        const detail = describe?.(result);
        write(`✔ ${name}${detail ? `: ${detail}` : ''} (${elapsed()})\n`);
        return result;
      } catch (error) {
        write(`✘ ${name} (${elapsed()})\n`);
        throw error;
      }
    },
    note: (text) => write(`${text}\n`),
  };
}
