// Writes a pod's status whenever it changed: calls in between are one write, failed writes are tried again.

import { type Clock, delay, jsonEqual, type Logger } from '@lateen/base';
import type { Pod, PodCondition, PodStatus } from '@lateen/kube/types';
import { saysStatus } from './pod-status.ts';

export type StatusPublisherOptions = {
  /** The newest version of the pod object. */
  pod(): Pod;
  /** `conditions`: those of the last status, which the pod object may not show yet; their transition times go on. */
  status(conditions: readonly PodCondition[]): PodStatus;
  write(pod: Pod, status: PodStatus): Promise<void>;
  clock: Clock;
  logger: Logger;
};

export type StatusPublisher = {
  publish(): void;
  /** Resolves when everything published so far is written. */
  settled(): Promise<void>;
  /** From now on what happens is no news. */
  silence(): void;
};

const RETRY_MS = 1000;

export function createStatusPublisher(options: StatusPublisherOptions): StatusPublisher {
  const stop = new AbortController();
  let writing: Promise<void> | undefined;
  let again = false;
  // Newer than what the pod object shows for a moment after each write.
  let written: PodStatus | undefined;
  let conditions: readonly PodCondition[] = options.pod().status?.conditions ?? [];

  async function writeOnce(): Promise<void> {
    // What changes in the same turn is one write.
    await Promise.resolve();
    const status = options.status(conditions);
    conditions = status.conditions ?? [];
    if (jsonEqual(status, written) && saysStatus(options.pod().status, status)) return;
    try {
      await options.write(options.pod(), status);
      written = status;
    } catch (error) {
      options.logger.warn('the status of a pod could not be written; trying again', { pod: options.pod().metadata.name, error });
      again = true;
      await delay(options.clock, RETRY_MS, stop.signal).catch(() => {});
    }
  }

  async function loop(): Promise<void> {
    while (again && !stop.signal.aborted) {
      again = false;
      await writeOnce();
    }
  }

  function publish(): void {
    again = true;
    writing ??= loop().then(() => {
      writing = undefined;
      // Asked for after the loop's last look and before this.
      if (again && !stop.signal.aborted) publish();
    });
  }

  async function settled(): Promise<void> {
    while (writing) await writing;
  }

  return { publish, settled, silence: () => stop.abort() };
}
