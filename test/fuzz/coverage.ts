// Which blocks of our own code have run, by V8's precise coverage: an input that reaches a new one is worth keeping.

import { type Profiler, Session } from 'node:inspector';

export type Coverage = {
  /** Whether a block ran that never ran before. */
  takeNew(): boolean;
  close(): void;
};

/** Slows code down a little; blocks are counted once each. */
export function startCoverage(): Coverage {
  const session = new Session();
  session.connect();
  const post = <T>(method: string, params: object = {}): T => {
    let answer: unknown;
    session.post(method, params, (error, result) => {
      if (error) throw error;
      answer = result;
    });
    return answer as T;
  };
  post('Profiler.enable');
  post('Profiler.startPreciseCoverage', { callCount: false, detailed: true });
  const seen = new Set<string>();
  return {
    takeNew() {
      const { result } = post<Profiler.TakePreciseCoverageReturnType>('Profiler.takePreciseCoverage');
      const before = seen.size;
      for (const { url, functions } of result) {
        if (!url.includes('/packages/')) continue;
        for (const { ranges } of functions) {
          for (const { startOffset, endOffset, count } of ranges) if (count > 0) seen.add(`${url}:${startOffset}:${endOffset}`);
        }
      }
      return seen.size > before;
    },
    close() {
      post('Profiler.stopPreciseCoverage');
      session.disconnect();
    },
  };
}
