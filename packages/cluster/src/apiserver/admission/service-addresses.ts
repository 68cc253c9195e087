// Cluster IPs and node ports. What is taken is read from the stored services each time, so nothing can leak.

import type { KubeObject } from '@lateen/kube/types';
import type { Store } from '../../store/index.ts';
import { type FieldError, invalid } from '../status.ts';

type Fields = Record<string, unknown>;

/** 10.96.0.1 is the API server and 10.96.0.10 DNS: given only to services that name them. */
const RESERVED_BELOW = 11;
const NETWORK = '10.96';
const SIZE = 65_535;
const FIRST_NODE_PORT = 30_000;
const LAST_NODE_PORT = 32_767;

/** Gives the service its addresses and ports in place. @throws ApiError 422 when a wanted one is taken */
export function allocateService(service: KubeObject, old: KubeObject | undefined, store: Store): void {
  const spec = service['spec'] as Fields;
  const others = (store.list({ resource: 'services' }) ?? []).filter((one) => one.metadata.uid !== service.metadata.uid);
  const errors: FieldError[] = [];
  allocateAddress(spec, { old: old?.['spec'] as Fields | undefined, others, errors });
  allocateNodePorts(spec, { old: old?.['spec'] as Fields | undefined, others, errors });
  if (errors.length > 0) throw invalid({ group: '', kind: 'Service' }, service.metadata.name, errors);
}

type Context = { old: Fields | undefined; others: KubeObject[]; errors: FieldError[] };

function allocateAddress(spec: Fields, { old, others, errors }: Context): void {
  if (spec['type'] === 'ExternalName') {
    for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy']) delete spec[field];
    return;
  }
  // An update that leaves the address out keeps it.
  if (!spec['clusterIP'] && old?.['clusterIP']) spec['clusterIP'] = old['clusterIP'];
  const taken = new Set(others.map((one) => (one['spec'] as Fields)['clusterIP']));
  const wanted = spec['clusterIP'] as string | undefined;
  if (!wanted) spec['clusterIP'] = freeAddress(taken, others.length);
  else if (wanted !== 'None' && wanted !== old?.['clusterIP']) {
    const why = !isInRange(wanted)
      ? `the provided IP (${wanted}) is not in the valid range. The range of valid IPs is 10.96.0.0/16`
      : taken.has(wanted)
        ? 'provided IP is already allocated'
        : undefined;
    if (why)
      errors.push({
        reason: 'Invalid',
        field: 'spec.clusterIPs',
        shown: `[]string{${JSON.stringify(wanted)}}`,
        message: `failed to allocate IP ${wanted}: ${why}`,
      });
  }
  spec['clusterIPs'] = [spec['clusterIP']];
}

function isInRange(address: string): boolean {
  const parts = address.split('.').map(Number);
  return (
    parts.length === 4 && address.startsWith(`${NETWORK}.`) && parts.every((part) => Number.isInteger(part) && part >= 0 && part < 256)
  );
}

// Spread by the number of services, so that a deleted service's address is not given out again at once.
function freeAddress(taken: Set<unknown>, start: number): string {
  for (let i = 0; i < SIZE; i++) {
    const offset = RESERVED_BELOW + ((start + i + Math.floor(i / 7)) % (SIZE - RESERVED_BELOW));
    const address = `${NETWORK}.${offset >> 8}.${offset & 0xff}`;
    if (!taken.has(address)) return address;
  }
  throw invalid({ group: '', kind: 'Service' }, '', [{ reason: 'Invalid', field: 'spec.clusterIP', value: '', message: 'range is full' }]);
}

function allocateNodePorts(spec: Fields, { old, others, errors }: Context): void {
  const wants = spec['type'] === 'NodePort' || (spec['type'] === 'LoadBalancer' && spec['allocateLoadBalancerNodePorts'] !== false);
  const ports = (spec['ports'] as Fields[] | undefined) ?? [];
  if (!wants) {
    if (spec['type'] === 'ClusterIP') for (const port of ports) delete port['nodePort'];
    return;
  }
  const portsOf = (one: Fields | undefined) => (one?.['ports'] as Fields[] | undefined) ?? [];
  const taken = new Set(others.flatMap((one) => portsOf(one['spec'] as Fields).map((port) => port['nodePort'])));
  ports.forEach((port, i) => {
    const before = portsOf(old).find((one) => one['port'] === port['port'] && one['protocol'] === port['protocol']);
    port['nodePort'] ??= before?.['nodePort'];
    const wanted = port['nodePort'] as number | undefined;
    const field = `spec.ports[${i}].nodePort`;
    if (!wanted) port['nodePort'] = freePort(taken, others.length * 3 + i);
    else if (wanted < FIRST_NODE_PORT || wanted > LAST_NODE_PORT)
      errors.push({
        reason: 'Invalid',
        field,
        value: wanted,
        message: 'provided port is not in the valid range. The range of valid ports is 30000-32767',
      });
    else if (taken.has(wanted)) errors.push({ reason: 'Invalid', field, value: wanted, message: 'provided port is already allocated' });
    taken.add(port['nodePort']);
  });
}

function freePort(taken: Set<unknown>, start: number): number {
  const size = LAST_NODE_PORT - FIRST_NODE_PORT + 1;
  for (let i = 0; i < size; i++) {
    const port = FIRST_NODE_PORT + ((start + i) % size);
    if (!taken.has(port)) return port;
  }
  return 0;
}
