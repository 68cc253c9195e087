// Services as the mesh sees them, whether from Kubernetes or from a ServiceEntry.

import type { ProtocolChoice } from './protocol.ts';
import type { ObjectRef } from './source.ts';

/**
 * How a client finds the endpoints: `eds` from the control plane, `dns` and `dns-round-robin` by the proxy's resolver,
 * `passthrough` from the connection's original destination (headless, ServiceEntry NONE).
 */
export type Resolution = 'eds' | 'dns' | 'dns-round-robin' | 'passthrough';

export type ServicePortModel = ProtocolChoice & {
  name: string;
  port: number;
  /** The number or name on the workload; a name is resolved per endpoint. */
  targetPort: number | string;
};

export type MeshService = {
  source: ObjectRef;
  hostname: string;
  namespace: string;
  /** Short name; for a ServiceEntry its hostname. */
  name: string;
  registry: 'Kubernetes' | 'External';
  resolution: Resolution;
  /** Virtual IPs or CIDRs; empty when there are none (headless, ExternalName, ServiceEntry without addresses). */
  addresses: readonly string[];
  ports: readonly ServicePortModel[];
  /** "*", "." (own namespace), "~" (nobody) or namespace names. Empty means the mesh default. */
  exportTo: readonly string[];
  /** Selects workloads of its namespace; empty selects none. */
  selector: Readonly<Record<string, string>>;
  isHeadless: boolean;
  isMeshExternal: boolean;
  /** RFC 3339; orders services that compete for one host. */
  creationTimestamp: string;
  /** DNS resolution: names or addresses to resolve, with port overrides by port name. */
  dnsEndpoints: readonly DnsEndpoint[];
};

export type DnsEndpoint = {
  address: string;
  ports: Readonly<Record<string, number>>;
  labels: Readonly<Record<string, string>>;
  weight: number;
};

/** Key of a service in `MeshSnapshot.services` and of its endpoints. Two namespaces may declare one hostname (ServiceEntry). */
export const serviceKey = (service: { namespace: string; hostname: string }): string => `${service.namespace}/${service.hostname}`;
