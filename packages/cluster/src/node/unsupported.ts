// What a pod may ask for and this node does not have.

import type { Pod } from '@lateen/kube/types';

/** @throws Error when the pod cannot be what it wants to be here. */
export function refuseUnsupported({ spec }: Pod): void {
  if (spec.hostNetwork) throw new Error('hostNetwork is not supported: every pod here has its own network');
  if (spec.hostPID || spec.hostIPC) throw new Error('hostPID and hostIPC are not supported here');
}

/** One sentence for each host port: the pod runs without it. */
export const ignoredPorts = ({ spec }: Pod): string[] =>
  spec.containers.flatMap(({ name, ports = [] }) =>
    ports
      .filter(({ hostPort }) => hostPort)
      .map(
        ({ hostPort, containerPort }) =>
          `hostPort ${hostPort} of container ${name} is not opened here; use a LoadBalancer service or kubectl port-forward to reach port ${containerPort}`,
      ),
  );
