// The Node object and its lease: how the machine presents itself to kubectl and to schedulers.

import { arch, cpus, networkInterfaces, release, totalmem, type } from 'node:os';
import { type Clock, type Logger, messageOf } from '@lateen/base';
import { isAlreadyExists, isNotFound, type KubeClient, LEASES } from '@lateen/kube';
import type { Lease, Node, NodeCondition, NodeStatus } from '@lateen/kube/types';
import type { NetworkMode } from '../contracts.ts';
import { NODE_IP } from '../network/addresses.ts';
import { NODES } from './kube-resources.ts';
import { rfc3339, rfc3339Micro } from './time-text.ts';

const LEASE_NAMESPACE = 'kube-node-lease';
const LEASE_SECONDS = 40;
const RENEW_MS = 10_000;
const MAX_PODS = 110;
const KUBELET_VERSION = 'v1.32.4';

/** The node as its pods see it; without namespaces the machine's first outside IPv4 address, or loopback. */
export function nodeAddress(mode: NetworkMode): string {
  if (mode !== 'proxy') return NODE_IP;
  const outside = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal);
  return outside?.address ?? '127.0.0.1';
}

/** What pods may use: all cores and bytes of the machine. */
export const machineCapacity = (): { cpu: number; memory: number } => ({ cpu: cpus().length, memory: totalmem() });

export type NodeRegistration = { register(): Promise<void>; close(): Promise<void> };

export type NodeRegistrationOptions = { client: KubeClient; nodeName: string; hostIP: string; clock: Clock; logger: Logger };

/** `register` makes the node Ready and keeps its lease renewed; `close` marks it not ready. */
export function createNodeRegistration(options: NodeRegistrationOptions): NodeRegistration {
  const { client, nodeName, clock, logger } = options;
  const abort = new AbortController();
  let renewal: { cancel(): void } | undefined;
  const renew = () =>
    renewLease(options).catch((error: unknown) => {
      if (!abort.signal.aborted) logger.warn('the node lease could not be renewed', { error: messageOf(error) });
    });
  return {
    async register() {
      await client.create(NODES, nodeObject(options)).catch((error: unknown) => {
        if (!isAlreadyExists(error)) throw error;
      });
      const status = nodeStatus(options, true);
      await client.patch(NODES, { name: nodeName }, { type: 'merge', subresource: 'status', body: { status } });
      await renew();
      renewal = clock.every(RENEW_MS, () => void renew());
    },
    async close() {
      abort.abort();
      renewal?.cancel();
      const status = { conditions: nodeStatus(options, false).conditions };
      await client.patch(NODES, { name: nodeName }, { type: 'merge', subresource: 'status', body: { status } }).catch(() => {});
    },
  };
}

function nodeObject({ nodeName }: NodeRegistrationOptions): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: nodeName,
      labels: {
        'kubernetes.io/hostname': nodeName,
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': goArchitecture(),
        'node-role.kubernetes.io/control-plane': '',
        'topology.kubernetes.io/region': 'local',
        'topology.kubernetes.io/zone': 'local',
      },
    },
    spec: {},
  };
}

const goArchitecture = (): string => ({ x64: 'amd64', ia32: '386' })[arch() as string] ?? arch();

function nodeStatus({ nodeName, hostIP, clock }: NodeRegistrationOptions, ready: boolean): NodeStatus {
  const { cpu, memory } = machineCapacity();
  const capacity = { cpu: String(cpu), memory: `${Math.floor(memory / 1024)}Ki`, pods: String(MAX_PODS) };
  return {
    capacity,
    allocatable: capacity,
    conditions: nodeConditions(rfc3339(clock.now()), ready),
    addresses: [
      { type: 'InternalIP', address: hostIP },
      { type: 'Hostname', address: nodeName },
    ],
    nodeInfo: {
      machineID: '',
      systemUUID: '',
      bootID: '',
      kernelVersion: release(),
      osImage: `${type()} (Lateen single machine)`,
      containerRuntimeVersion: 'lateen://0.1.0',
      kubeletVersion: KUBELET_VERSION,
      kubeProxyVersion: KUBELET_VERSION,
      operatingSystem: 'linux',
      architecture: goArchitecture(),
    },
  };
}

function nodeConditions(now: string, ready: boolean): NodeCondition[] {
  const times = { lastHeartbeatTime: now, lastTransitionTime: now };
  const pressure = (type: string, what: string): NodeCondition => ({
    type,
    status: 'False',
    ...times,
    reason: `KubeletHasNo${type}`,
    message: `kubelet has no ${what}`,
  });
  return [
    pressure('MemoryPressure', 'memory pressure'),
    pressure('DiskPressure', 'disk pressure'),
    pressure('PIDPressure', 'PID pressure'),
    ready
      ? { type: 'Ready', status: 'True', ...times, reason: 'KubeletReady', message: 'lateen node agent is ready' }
      : { type: 'Ready', status: 'False', ...times, reason: 'KubeletNotReady', message: 'lateen node agent is stopped' },
  ];
}

async function renewLease({ client, nodeName, clock }: NodeRegistrationOptions): Promise<void> {
  const target = { namespace: LEASE_NAMESPACE, name: nodeName };
  const spec = { holderIdentity: nodeName, leaseDurationSeconds: LEASE_SECONDS, renewTime: rfc3339Micro(clock.now()) };
  try {
    await client.patch(LEASES, target, { type: 'merge', body: { spec } });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    const lease: Lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: target, spec };
    await client.create(LEASES, lease);
  }
}
