// A probe repeated: initial delay, period, timeout, thresholds.

import type { Clock, Timer } from '@lateen/base';
import type { Probe } from '@lateen/kube/types';
import type { ActionFailure } from './probe-actions.ts';

export type ProbeLoopOptions = {
  probe: Probe;
  /** Before the first success, asks more often than the period; such extra failures are not counted nor told. For probes that wait for a start. */
  eager?: boolean;
  clock: Clock;
  run(signal: AbortSignal): Promise<ActionFailure>;
  /** After `successThreshold` or `failureThreshold` results in a row, once per change. */
  onChange(healthy: boolean): void;
  /** Every failed attempt that counts. */
  onFailure(message: string): void;
};

/** An eager probe's waits: growing from the first to the longest. */
const EAGER_FIRST_MS = 100;
const EAGER_MAX_MS = 1000;

const seconds = (value: number | undefined, fallback: number): number => (value ?? fallback) * 1000;

/** Runs until closed. The state before the first change is up to the caller. */
export function startProbeLoop(options: ProbeLoopOptions): { close(): void } {
  const { probe, clock } = options;
  const abort = new AbortController();
  const timeoutMs = seconds(probe.timeoutSeconds || undefined, 1);
  const periodMs = seconds(probe.periodSeconds || undefined, 10);
  let timer: Timer | undefined;
  let inRow = 0;
  let lastOk: boolean | undefined;
  let reported: boolean | undefined;
  let isEager = options.eager ?? false;
  let eagerMs = EAGER_FIRST_MS;
  let countFromMs = clock.monotonicMs() + seconds(probe.initialDelaySeconds, 0) + periodMs;

  const judge = (failure: ActionFailure) => {
    const ok = failure === undefined;
    if (ok) isEager = false;
    if (isEager && clock.monotonicMs() < countFromMs) return;
    countFromMs += periodMs;
    inRow = ok === lastOk ? inRow + 1 : 1;
    lastOk = ok;
    if (!ok) options.onFailure(failure);
    if (inRow >= (ok ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3)) && reported !== ok) {
      reported = ok;
      options.onChange(ok);
    }
  };

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
    judge(failure);
    if (abort.signal.aborted) return;
    timer = clock.after(isEager ? Math.min(eagerMs, periodMs) : periodMs, () => void attempt(), { background: true });
    eagerMs = Math.min(EAGER_MAX_MS, eagerMs * 1.5);
  };
  timer = clock.after(seconds(probe.initialDelaySeconds, 0), () => void attempt(), { background: true });
  return {
    close() {
      timer?.cancel();
      abort.abort();
    },
  };
}
