// Deprecated fields in use (IST0002).

import type { Collector } from './collector.ts';
import type { World } from './world.ts';

type Use = { path: string; instead: string };

export function analyzeDeprecatedFields(world: World, out: Collector): void {
  const report = (object: Parameters<Collector['add']>[1], { path, instead }: Use): void =>
    out.add('IST0002', object, { path, message: `Deprecated: ${path} is deprecated; ${instead}` });
  for (const service of world.istio('VirtualService')) {
    service.spec.http?.forEach((rule, i) => {
      const path = `spec.http[${i}]`;
      if (rule.fault?.delay?.percent) report(service, { path: `${path}.fault.delay.percent`, instead: 'use percentage' });
      if (rule.corsPolicy?.allowOrigin?.length) report(service, { path: `${path}.corsPolicy.allowOrigin`, instead: 'use allowOrigins' });
    });
  }
  for (const sidecar of world.istio('Sidecar')) {
    if (sidecar.spec.outboundTrafficPolicy?.egressProxy) {
      report(sidecar, { path: 'spec.outboundTrafficPolicy.egressProxy', instead: 'route to the egress proxy by a VirtualService' });
    }
  }
  for (const rule of world.istio('DestinationRule')) {
    const balancer = rule.spec.trafficPolicy?.loadBalancer;
    if (balancer?.warmupDurationSecs) report(rule, { path: 'spec.trafficPolicy.loadBalancer.warmupDurationSecs', instead: 'use warmup' });
    if (balancer?.simple === 'LEAST_CONN')
      report(rule, { path: 'spec.trafficPolicy.loadBalancer.simple', instead: 'LEAST_CONN is now LEAST_REQUEST' });
  }
}
