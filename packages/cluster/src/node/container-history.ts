// What the stored status of a container means after this process started anew: its processes are gone, as after a reboot.

import type { ContainerState, ContainerStatus } from '@lateen/kube/types';
import type { ContainerExit } from './container-run.ts';

export type ContainerKind = 'init' | 'sidecar' | 'app';

export type ContainerHistory = {
  restartCount: number;
  /** Whether it ever ran; then its next start is a restart. */
  ran: boolean;
  state: ContainerState;
  lastState: ContainerState | undefined;
  /** Set for app containers that had ended or were lost; the restart policy decides what follows. */
  exit: ContainerExit | undefined;
};

const LOST = 'The container could not be located after the node was restarted';

export function readContainerHistory(stored: ContainerStatus | undefined, kind: ContainerKind, nowText: string): ContainerHistory {
  const waiting: ContainerState = { waiting: { reason: kind === 'init' ? 'PodInitializing' : 'ContainerCreating' } };
  const { state, lastState, restartCount = 0 } = stored ?? {};
  if (state?.running) {
    const terminated = { exitCode: 137, reason: 'ContainerStatusUnknown', message: LOST, finishedAt: nowText, ...state.running };
    const exit = { exitCode: 137, signal: undefined, reason: terminated.reason, message: LOST };
    if (kind !== 'app') return { restartCount, ran: true, state: waiting, lastState: { terminated }, exit: undefined };
    return { restartCount, ran: true, state: { terminated }, lastState, exit };
  }
  if (state?.terminated) {
    // Init containers run again in a new sandbox.
    if (kind !== 'app') return { restartCount, ran: true, state: waiting, lastState: state, exit: undefined };
    const { exitCode, reason = '', message } = state.terminated;
    return { restartCount, ran: true, state, lastState, exit: { exitCode, signal: undefined, reason, message } };
  }
  return { restartCount, ran: lastState?.terminated !== undefined, state: waiting, lastState, exit: undefined };
}
