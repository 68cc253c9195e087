// ServiceEntry: a service the mesh knows besides those of Kubernetes.

import type { IstioStatus, Resource } from '../kube-object.ts';
import { choice, list, message, type Static, text, uint32 } from '../schema/build.ts';
import { networkingWorkloadSelector, PORT_RULE } from '../schema/shared.ts';
import { workloadEntrySpec } from './workload-entry.ts';

const servicePort = message(
  'A port of the service.',
  {
    number: { ...uint32('Port number.'), 'x-kubernetes-validations': [PORT_RULE] },
    protocol: text('HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP or TLS; empty to detect.', { maxLength: 256 }),
    name: text('Name of the port.', { minLength: 1, maxLength: 256 }),
    targetPort: { ...uint32('Port of the endpoints; default is the port itself.'), 'x-kubernetes-validations': [PORT_RULE] },
  },
  { required: ['number', 'name'] },
);
/** One entry of `ports`. */
export type ServicePort = Static<typeof servicePort>;

export const serviceEntrySpec = message(
  'A service: its hosts, ports and endpoints.',
  {
    hosts: list('DNS names, with wildcards.', text('', { cel: [{ rule: 'self != "*"', message: 'hostname cannot be wildcard' }] }), {
      minItems: 1,
      maxItems: 256,
    }),
    addresses: list('Virtual addresses, also CIDR for resolution NONE and STATIC.', text('', { maxLength: 64 }), { maxItems: 256 }),
    ports: list('Ports.', servicePort, {
      maxItems: 256,
      listMapKey: 'name',
      cel: [{ rule: 'self.all(l1, self.exists_one(l2, l1.number == l2.number))', message: 'port number cannot be duplicated' }],
    }),
    location: choice('Whether the endpoints are part of the mesh; default MESH_EXTERNAL.', ['MESH_EXTERNAL', 'MESH_INTERNAL']),
    resolution: choice('How endpoints are found; default NONE, the address the caller used.', [
      'NONE',
      'STATIC',
      'DNS',
      'DNS_ROUND_ROBIN',
      'DYNAMIC_DNS',
    ]),
    endpoints: list('Endpoints.', workloadEntrySpec, { maxItems: 4096 }),
    workloadSelector: networkingWorkloadSelector,
    exportTo: list('Namespaces that see the service: ".", "*", "~" or names.', text()),
    subjectAltNames: list('Names of which the server certificate must carry one.', text()),
  },
  {
    required: ['hosts'],
    cel: [
      {
        rule: '(has(self.workloadSelector) ? 1 : 0) + (has(self.endpoints) ? 1 : 0) <= 1',
        message: 'only one of WorkloadSelector or Endpoints can be set',
      },
      {
        rule: '!((has(self.addresses) ? self.addresses : []).exists(k, k.contains("/")) && !((has(self.resolution) ? self.resolution : "NONE") in ["NONE", "STATIC"]))',
        message: 'CIDR addresses are allowed only for NONE/STATIC resolution types',
      },
      {
        rule: '(has(self.resolution) ? self.resolution : "NONE") == "NONE" ? !has(self.endpoints) : true',
        message: 'NONE mode cannot set endpoints',
      },
      {
        rule: '(has(self.resolution) ? self.resolution : "") == "DNS_ROUND_ROBIN" ? size(has(self.endpoints) ? self.endpoints : []) <= 1 : true',
        message: 'DNS_ROUND_ROBIN mode cannot have multiple endpoints',
      },
    ],
  },
);
/** Spec of a ServiceEntry. */
export type ServiceEntrySpec = Static<typeof serviceEntrySpec>;
/** Status of a ServiceEntry: besides the usual, the addresses allocated for its hosts. */
export type ServiceEntryStatus = IstioStatus & { addresses?: { value?: string; host?: string }[] };
/** networking.istio.io ServiceEntry. */
export type ServiceEntry = Resource<'ServiceEntry', ServiceEntrySpec, ServiceEntryStatus>;
