// The ports a workload serves, from the services that select it.

import { labelsMatch, type MeshService, type ServicePortModel, serviceKey } from '../model/index.ts';
import type { View } from './view.ts';

export type InboundPort = {
  /** The port the application listens on. */
  targetPort: number;
  port: ServicePortModel;
  /** The services behind this port, oldest first; the first decides the protocol. */
  services: readonly MeshService[];
};

/** Sorted by port. A workload that no service selects has none: its traffic takes the passthrough chains. */
export function inboundPorts(view: View): InboundPort[] {
  const { scope, snapshot } = view;
  const own = [...snapshot.services.values()]
    .filter(
      (service) =>
        service.namespace === scope.namespace && Object.keys(service.selector).length > 0 && labelsMatch(service.selector, scope.labels),
    )
    .sort(compareServiceAge);
  const ports = new Map<number, { port: ServicePortModel; services: MeshService[] }>();
  for (const service of own) {
    for (const port of service.ports) {
      const targetPort = port.protocol === 'UDP' ? undefined : targetPortOf(view, service, port);
      if (targetPort === undefined) continue;
      const known = ports.get(targetPort);
      if (!known) ports.set(targetPort, { port, services: [service] });
      else if (!known.services.includes(service)) known.services.push(service);
    }
  }
  return [...ports].map(([targetPort, rest]) => ({ targetPort, ...rest })).sort((a, b) => a.targetPort - b.targetPort);
}

/** Older services first: what several of them share is the oldest's. */
export function compareServiceAge(a: MeshService, b: MeshService): number {
  if (a.creationTimestamp !== b.creationTimestamp) return a.creationTimestamp < b.creationTimestamp ? -1 : 1;
  return a.hostname < b.hostname ? -1 : a.hostname > b.hostname ? 1 : 0;
}

// A named target port is what this workload's containers call it; the endpoints have it resolved.
function targetPortOf(view: View, service: MeshService, port: ServicePortModel): number | undefined {
  if (typeof port.targetPort === 'number') return port.targetPort;
  const name = port.targetPort;
  const endpoint = view.snapshot.endpoints
    .get(serviceKey(service))
    ?.find((one) => one.portName === port.name && labelsMatch(view.scope.labels, one.workload.labels));
  if (endpoint) return endpoint.port;
  for (const workload of view.snapshot.workloads.values()) {
    if (workload.namespace === service.namespace && labelsMatch(view.scope.labels, workload.labels)) return workload.namedPorts[name];
  }
  return undefined;
}
