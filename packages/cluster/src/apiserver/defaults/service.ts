import type { KubeObject } from '@lateen/kube/types';
import { fill, section } from './fill.ts';

type Fields = Record<string, unknown>;

/** Fills in defaults in place; addresses and node ports are allocated elsewhere. */
export function defaultService(object: KubeObject): void {
  const spec = section(object, 'spec');
  fill(spec, { type: 'ClusterIP', sessionAffinity: 'None' });
  for (const port of (spec['ports'] as Fields[] | undefined) ?? []) {
    fill(port, { protocol: 'TCP' });
    if (spec['type'] !== 'ExternalName') fill(port, { targetPort: port['port'] });
  }
  if (spec['sessionAffinity'] === 'ClientIP') fill(section(section(spec, 'sessionAffinityConfig'), 'clientIP'), { timeoutSeconds: 10800 });
  if (spec['type'] === 'ExternalName') return;
  fill(spec, { internalTrafficPolicy: 'Cluster', ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv4'] });
  if (spec['type'] === 'NodePort' || spec['type'] === 'LoadBalancer') fill(spec, { externalTrafficPolicy: 'Cluster' });
  if (spec['type'] === 'LoadBalancer') fill(spec, { allocateLoadBalancerNodePorts: true });
}
