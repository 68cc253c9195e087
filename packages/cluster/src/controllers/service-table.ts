// The table that the pod network works by, as a value: every service with its ready addresses and targets.

import type { SocketAddress } from '@lateen/base';
import type { EndpointSlice, Pod, Service } from '@lateen/kube/types';
import type { ServiceTableEntry } from '../contracts.ts';
import { isPodTerminating } from './pod-state.ts';
import { SERVICE_NAME_LABEL } from './service-endpoints.ts';

export type ServiceTableInput = {
  services: readonly Service[];
  slices: readonly EndpointSlice[];
  findPod(namespace: string | undefined, name: string): Pod | undefined;
};

/** Pods that are terminating are left out at once, before their slice says so. */
export function serviceTable({ services, slices, findPod }: ServiceTableInput): ServiceTableEntry[] {
  const slicesOf = Map.groupBy(slices, ({ metadata }) => `${metadata.namespace}/${metadata.labels?.[SERVICE_NAME_LABEL]}`);
  return services.map((service): ServiceTableEntry => {
    const { metadata, spec } = service;
    const own = slicesOf.get(`${metadata.namespace}/${metadata.name}`) ?? [];
    const usable = (slice: EndpointSlice) =>
      (slice.endpoints ?? []).filter(({ conditions, targetRef }) => {
        if (conditions?.ready === false) return false;
        if (targetRef?.kind !== 'Pod') return true;
        const pod = findPod(metadata.namespace, targetRef.name ?? '');
        return !pod || pod.metadata.uid !== targetRef.uid || !isPodTerminating(pod);
      });
    const targetsOf = (portName: string): SocketAddress[] =>
      own.flatMap((slice) => {
        const port = slice.ports?.find(({ name }) => (name ?? '') === portName)?.port;
        return port === undefined ? [] : usable(slice).flatMap(({ addresses }) => addresses.map((host) => ({ host, port })));
      });
    const isExternal = spec.type === 'ExternalName';
    return {
      namespace: metadata.namespace ?? '',
      name: metadata.name,
      clusterIP: isExternal || !spec.clusterIP || spec.clusterIP === 'None' ? undefined : spec.clusterIP,
      externalName: isExternal ? spec.externalName : undefined,
      addresses: own.flatMap((slice) => usable(slice).flatMap(({ addresses, hostname }) => addresses.map((ip) => ({ ip, hostname })))),
      ports: (spec.ports ?? [])
        .filter(({ protocol }) => protocol !== 'SCTP')
        .map(({ name = '', protocol = 'TCP', port }) => ({ name, protocol: protocol as 'TCP' | 'UDP', port, targets: targetsOf(name) })),
      loadBalancer: spec.type === 'LoadBalancer',
    };
  });
}
