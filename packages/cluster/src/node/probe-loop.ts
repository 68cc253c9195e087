// A probe repeated: initial delay, period, timeout, thresholds.

import type { Clock, Timer } from '@lateen/base';
import type { Probe } from '@lateen/kube/types';
import type { ActionFailure } from './probe-actions.ts';

export type ProbeLoopOptions = {
  probe: Probe;
  clock: Clock;
  run(signal: AbortSignal): Promise<ActionFailure>;
  /** After `successThreshold` or `failureThreshold` results in a row, once per change. */
  onChange(healthy: boolean, message: string | undefined): void;
  /** Every failed attempt. */
  onFailure(message: string): void;
};

const seconds = (value: number | undefined, fallback: number): number => (value ?? fallback) * 1000;

/** Runs until closed. The state before the first change is up to the caller. */
export function startProbeLoop(options: ProbeLoopOptions): { close(): void } {
  const { probe, clock } = options;
  const abort = new AbortController();
  const timeoutMs = seconds(probe.timeoutSeconds || undefined, 1);
  let timer: Timer | undefined;
  let inRow = 0;
  let lastOk: boolean | undefined;
  let reported: boolean | undefined;
  const attempt = async () => {
    const deadline = new AbortController();
    const onClose = () => deadline.abort(new Error('the container is stopping'));
    abort.signal.addEventListener('abort', onClose, { once: true });
    const timeout = clock.after(timeoutMs, () => deadline.abort(new Error(`probe timed out after ${timeoutMs / 1000}s`)), {
      background: true,
    });
    const failure = await options.run(deadline.signal);
    timeout.cancel();
    abort.signal.removeEventListener('abort', onClose);
    if (abort.signal.aborted) return;
    const ok = failure === undefined;
    inRow = ok === lastOk ? inRow + 1 : 1;
    lastOk = ok;
    if (!ok) options.onFailure(failure);
    if (inRow >= (ok ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3)) && reported !== ok) {
      reported = ok;
      options.onChange(ok, failure);
    }
    if (!abort.signal.aborted)
      timer = clock.after(seconds(probe.periodSeconds || undefined, 10), () => void attempt(), { background: true });
  };
  timer = clock.after(seconds(probe.initialDelaySeconds, 0), () => void attempt(), { background: true });
  return {
    close() {
      timer?.cancel();
      abort.abort();
    },
  };
}
