// Services and what they select: port names (IST0118, IST0150), deployments behind contradicting services (IST0116, IST0137),
// the sidecar's user id (IST0144).

import { parseServicePortProtocol } from '@lateen/api';
import type { Service } from '@lateen/kube/types';
import type { Collector } from './collector.ts';
import { injectionWish, isInMesh, selects } from './selectors.ts';
import type { Workload, World } from './world.ts';

const SIDECAR_UID = 1337;

const portsOf = ({ spec }: Service) => (Array.isArray(spec.ports) ? spec.ports : []);

export function analyzePortNames(world: World, out: Collector): void {
  for (const service of world.services) {
    if (world.isSystemNamespace(service.metadata.namespace ?? '')) continue;
    const isExternal = service.spec.type === 'ExternalName';
    portsOf(service).forEach((port, i) => {
      const declared = parseServicePortProtocol(port);
      const path = `spec.ports[${i}].name`;
      if (isExternal && (declared === undefined || declared === 'tcp')) {
        out.add('IST0150', service, {
          path,
          message:
            'Port name for ExternalName service is invalid. Proxy may prevent tcp named ports and unmatched traffic for ports serving TCP protocol from being forwarded correctly',
          fix: 'Start the name with the protocol, e.g. https-api.',
        });
      } else if (declared === undefined) {
        out.add('IST0118', service, {
          path,
          message: `Port name ${port.name ?? ''} (port: ${port.port}, targetPort: ${port.targetPort ?? 0}) doesn't follow the naming convention of Istio port.`,
          fix: 'Start the name with the protocol, e.g. http-web, or set appProtocol; otherwise the protocol is detected.',
        });
      }
    });
  }
}

export function analyzeDeploymentServices(world: World, out: Collector): void {
  for (const workload of world.workloads) {
    if (workload.kind !== 'Deployment' || !isInMesh(workload, world) || isManagedGateway(workload)) continue;
    const services = world.services.filter(
      ({ metadata, spec }) =>
        metadata.namespace === workload.namespace && Object.keys(spec.selector ?? {}).length > 0 && selects(spec.selector, workload.labels),
    );
    if (services.length > 1) checkServices(workload, services, out);
  }
}

const isManagedGateway = ({ object }: Workload): boolean => object.metadata.labels?.['gateway.istio.io/managed'] !== undefined;

type Group = Map<string, { services: Set<string>; values: Set<string> }>;

function join(group: Group, key: string, { service, value }: { service: string; value: string }): void {
  const entry = group.get(key) ?? { services: new Set(), values: new Set() };
  entry.services.add(service);
  entry.values.add(value);
  group.set(key, entry);
}

function checkServices(workload: Workload, services: Service[], out: Collector): void {
  const protocols: Group = new Map();
  const ports: Group = new Map();
  for (const service of services) {
    for (const port of portsOf(service)) {
      const name = service.metadata.name;
      join(protocols, String(port.port), { service: name, value: parseServicePortProtocol(port) ?? port.protocol ?? 'TCP' });
      join(ports, String(port.targetPort ?? port.port), { service: name, value: String(port.port) });
    }
  }
  const deployment = `${workload.namespace}/${workload.name}`;
  for (const [port, { services: names, values }] of protocols) {
    if (values.size < 2) continue;
    const message = `This deployment ${deployment} is associated with multiple services using port ${port} but different protocols: [${[...names].join(' ')}]`;
    out.add('IST0116', workload.object, { path: 'spec.template', message });
  }
  for (const [target, { services: names, values }] of ports) {
    if (values.size < 2 || names.size < 2) continue;
    const message = `This deployment ${deployment} is associated with multiple services [${[...names].join(' ')}] using targetPort "${target}" but different ports: [${[...values].join(' ')}].`;
    out.add('IST0137', workload.object, { path: 'spec.template', message });
  }
}

export function analyzeUserIds(world: World, out: Collector): void {
  for (const workload of world.workloads) {
    if (injectionWish(workload) === false && !workload.labels['istio.io/gateway-name']) continue;
    const base = workload.kind === 'Pod' ? 'spec' : 'spec.template.spec';
    const containers = (workload.spec.containers ?? []).filter(({ name }) => name !== 'istio-proxy');
    const index = containers.findIndex(
      (container) => (container as { securityContext?: { runAsUser?: number } }).securityContext?.runAsUser === SIDECAR_UID,
    );
    const pod = workload.spec.securityContext?.runAsUser === SIDECAR_UID && containers.length > 0;
    if (!pod && index < 0) continue;
    out.add('IST0144', workload.object, {
      path: pod ? `${base}.securityContext.runAsUser` : `${base}.containers[${index}].securityContext.runAsUser`,
      message: 'User ID (UID) 1337 is reserved for the sidecar proxy.',
      fix: 'Traffic of that user is not captured; use another one.',
    });
  }
}
