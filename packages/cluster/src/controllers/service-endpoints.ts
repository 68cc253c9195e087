// Which endpoints a service has, as values: EndpointSlices and the older Endpoints object from the service and its pods.

import { labelSelectorMatches } from '@lateen/kube';
import type {
  Endpoint,
  EndpointAddress,
  EndpointPort,
  EndpointSlice,
  EndpointSubset,
  Endpoints,
  ObjectReference,
  Pod,
  Service,
  ServicePort,
} from '@lateen/kube/types';
import { ownerReferenceTo } from './ownership.ts';
import { isPodReady, isPodTerminating } from './pod-state.ts';
import { hashOf } from './template-hash.ts';

export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
export const MANAGED_BY_LABEL = 'endpointslice.kubernetes.io/managed-by';
export const MANAGED_BY = 'endpointslice-controller.k8s.io';
const HEADLESS_LABEL = 'service.kubernetes.io/headless';

/** Pods that a service selects and that have an address; finished ones are left out, terminating ones stay. */
export function selectedPods(service: Service, pods: readonly Pod[]): Pod[] {
  const { selector } = service.spec;
  if (!selector || Object.keys(selector).length === 0) return [];
  return pods.filter(
    (pod) =>
      pod.metadata.namespace === service.metadata.namespace &&
      labelSelectorMatches({ matchLabels: selector }, pod.metadata.labels) &&
      pod.status?.podIP !== undefined &&
      pod.status.phase !== 'Succeeded' &&
      pod.status.phase !== 'Failed',
  );
}

/** A service port as this pod serves it; undefined when the pod has no port of that name. */
export function podPort(port: ServicePort, pod: Pod): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === 'number') return target === 0 ? port.port : target;
  const protocol = port.protocol ?? 'TCP';
  const sidecars = (pod.spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  for (const container of [...pod.spec.containers, ...sidecars]) {
    const found = container.ports?.find(({ name, protocol: own }) => name === target && (own ?? 'TCP') === protocol);
    if (found) return found.containerPort;
  }
  return /^\d+$/.test(target) ? Number(target) : undefined;
}

type Group = { ports: EndpointPort[]; pods: Pod[] };

/** Pods by the ports they serve: named target ports may differ from pod to pod. */
function groupsOf(service: Service, pods: readonly Pod[]): Group[] {
  const groups = new Map<string, Group>();
  for (const pod of pods) {
    const ports = (service.spec.ports ?? []).flatMap((port): EndpointPort[] => {
      const number = podPort(port, pod);
      if (number === undefined) return [];
      return [
        {
          name: port.name ?? '',
          port: number,
          protocol: port.protocol ?? 'TCP',
          ...(port.appProtocol && { appProtocol: port.appProtocol }),
        },
      ];
    });
    if (ports.length === 0 && (service.spec.ports ?? []).length > 0) continue;
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, pods: [] };
    group.pods.push(pod);
    groups.set(key, group);
  }
  return [...groups.values()];
}

const podReference = ({ metadata }: Pod): ObjectReference => ({
  kind: 'Pod',
  name: metadata.name,
  ...(metadata.namespace !== undefined && { namespace: metadata.namespace }),
  ...(metadata.uid !== undefined && { uid: metadata.uid }),
});

const hostnameOf = (service: Service, { spec }: Pod): string | undefined =>
  spec.hostname && spec.subdomain === service.metadata.name ? spec.hostname : undefined;

/** The slices that the service should have; at least one, as Kubernetes does it. */
export function serviceSlices(service: Service, pods: readonly Pod[], zoneOf: (nodeName: string) => string | undefined): EndpointSlice[] {
  const { metadata, spec } = service;
  const headless = spec.clusterIP === 'None';
  const groups = groupsOf(service, selectedPods(service, pods));
  const all: Group[] = groups.length > 0 ? groups : [{ ports: [], pods: [] }];
  return all.map(({ ports, pods: members }) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${metadata.name}-${hashOf(ports, 5)}`,
      namespace: metadata.namespace ?? 'default',
      labels: {
        ...metadata.labels,
        [SERVICE_NAME_LABEL]: metadata.name,
        [MANAGED_BY_LABEL]: MANAGED_BY,
        ...(headless && { [HEADLESS_LABEL]: '' }),
      },
      ownerReferences: [ownerReferenceTo(service)],
    },
    addressType: 'IPv4',
    endpoints: members.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)).map((pod) => endpointOf(service, pod, zoneOf)),
    ports,
  }));
}

function endpointOf(service: Service, pod: Pod, zoneOf: (nodeName: string) => string | undefined): Endpoint {
  const serving = isPodReady(pod);
  const terminating = isPodTerminating(pod);
  const hostname = hostnameOf(service, pod);
  const { nodeName } = pod.spec;
  const zone = nodeName === undefined ? undefined : zoneOf(nodeName);
  return {
    addresses: [pod.status?.podIP ?? ''],
    conditions: { ready: service.spec.publishNotReadyAddresses === true || (serving && !terminating), serving, terminating },
    ...(hostname !== undefined && { hostname }),
    targetRef: podReference(pod),
    ...(nodeName !== undefined && { nodeName }),
    ...(zone !== undefined && { zone }),
  };
}

/** The Endpoints object of the same name. */
export function serviceEndpoints(service: Service, pods: readonly Pod[]): Endpoints {
  const { metadata } = service;
  const subsets = groupsOf(service, selectedPods(service, pods)).flatMap(({ ports, pods: members }): EndpointSubset[] => {
    const address = (pod: Pod): EndpointAddress => {
      const hostname = hostnameOf(service, pod);
      const { nodeName } = pod.spec;
      return { ip: pod.status?.podIP ?? '', ...(hostname && { hostname }), ...(nodeName && { nodeName }), targetRef: podReference(pod) };
    };
    const staying = members.filter((pod) => !isPodTerminating(pod));
    const isReady = (pod: Pod) => service.spec.publishNotReadyAddresses === true || isPodReady(pod);
    const ready = staying.filter(isReady).map(address);
    const notReady = staying.filter((pod) => !isReady(pod)).map(address);
    if (ready.length + notReady.length === 0) return [];
    const corePorts = ports.map(({ name, port = 0, ...rest }) => ({ ...(name && { name }), port, ...rest }));
    return [
      { ...(ready.length > 0 && { addresses: ready }), ...(notReady.length > 0 && { notReadyAddresses: notReady }), ports: corePorts },
    ];
  });
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name: metadata.name, namespace: metadata.namespace ?? 'default', ...(metadata.labels && { labels: metadata.labels }) },
    subsets,
  };
}
