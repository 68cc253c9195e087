// Readiness of a container that has no readiness probe but declares ports: it counts as ready when it listens. The kubelet counts
// it at once, which compiled programs get away with; interpreted ones listen only after some 100 ms, and every rollout would lose
// the requests of that time.

import type { Socket } from 'node:net';
import type { Clock, Timer } from '@lateen/base';
import type { Container } from '@lateen/kube/types';

/** One that still does not listen counts as ready all the same: its declared port may be wrong. */
const LIMIT_MS = 3000;
const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 200;

export type ListenWaitOptions = {
  clock: Clock;
  /** Connects to the port from inside the pod; rejects while nobody listens. */
  dial(port: number): Promise<Socket>;
  /** Called once, unless closed before. */
  onReady(): void;
};

/** Calls `onReady` when the first declared TCP port answers: at once without such a port, after 3 s in any case. */
export function waitUntilListening({ ports = [] }: Container, { clock, dial, onReady }: ListenWaitOptions): { close(): void } {
  const port = ports.find(({ protocol }) => (protocol ?? 'TCP') === 'TCP')?.containerPort;
  const deadlineMs = clock.monotonicMs() + LIMIT_MS;
  let timer: Timer | undefined;
  let closed = false;
  let waitMs = FIRST_WAIT_MS;
  const attempt = async () => {
    const answers = port === undefined || (await answersOnce(dial, port));
    if (closed) return;
    if (answers || clock.monotonicMs() >= deadlineMs) return onReady();
    timer = clock.after(waitMs, () => void attempt(), { background: true });
    waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 1.5);
  };
  void attempt();
  return {
    close() {
      closed = true;
      timer?.cancel();
    },
  };
}

async function answersOnce(dial: ListenWaitOptions['dial'], port: number): Promise<boolean> {
  const socket = await dial(port).catch(() => undefined);
  socket?.on('error', () => {}).destroy();
  return socket !== undefined;
}
