// Where a pod's things are in the state directory.

import { join } from 'node:path';
import type { Pod } from '@lateen/kube/types';

export const podDirectory = (stateDir: string, pod: Pod): string => join(stateDir, 'pods', pod.metadata.uid ?? '');

/** As under a kubelet's /var/log/pods. */
export const podLogDirectory = (stateDir: string, { metadata }: Pod): string =>
  join(stateDir, 'logs', `${metadata.namespace}_${metadata.name}_${metadata.uid}`);

/** The log of one start of a container; the first start has number 0. */
export const containerLogPath = (stateDir: string, pod: Pod, start: { container: string; restartCount: number }): string =>
  join(podLogDirectory(stateDir, pod), start.container, `${start.restartCount}.log`);
