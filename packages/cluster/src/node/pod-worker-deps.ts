// What a pod's worker needs from its node, so that it can be tested without an API server.

import type { Clock, Logger } from '@lateen/base';
import type { Pod, PodStatus, Service } from '@lateen/kube/types';
import type { BuiltinContainer, ClusterNetwork } from '../contracts.ts';
import type { ConfigurationSource } from './configuration-source.ts';
import type { ImageCatalogue } from './image-catalogue.ts';
import type { TokenRequestOptions } from './volume-files.ts';

export type PodEvent = { type: 'Normal' | 'Warning'; reason: string; message: string; fieldPath?: string };

export type PodWorkerDeps = {
  network: ClusterNetwork;
  catalogue: ImageCatalogue;
  builtins: Record<string, BuiltinContainer>;
  clock: Clock;
  logger: Logger;
  /** Holds pods/, logs/ and claims/. */
  stateDir: string;
  nodeName: string;
  hostIP: string;
  allocatable: { cpu: number; memory: number };
  configuration: ConfigurationSource;
  servicesOf(namespace: string): Service[];
  requestToken(pod: Pod, options: TokenRequestOptions): Promise<{ token: string; expiresAtMs: number }>;
  event(pod: Pod, event: PodEvent): void;
  /** Writes the pod's status; resolves also when the pod is gone. Rejects when it should be tried again. */
  writeStatus(pod: Pod, status: PodStatus): Promise<void>;
  /** Removes the pod object after its termination. */
  removePod(pod: Pod): Promise<void>;
  /** Resolves when no endpoint leads to the pod any more (or after a short limit). */
  endpointsDrained(pod: Pod): Promise<void>;
};
