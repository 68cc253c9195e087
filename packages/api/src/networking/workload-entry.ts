// WorkloadEntry: a workload outside Kubernetes.

import type { Resource } from '../kube-object.ts';
import { map, message, type Static, text, uint32 } from '../schema/build.ts';
import { PORT_RULE } from '../schema/shared.ts';

const port = { ...uint32(''), 'x-kubernetes-validations': [PORT_RULE] };

const ADDRESS_RULES = [
  {
    rule: 'self.startsWith("unix://") ? (self.substring(7,8)=="/" || self.substring(7,8)=="@") : true',
    message: 'UDS must be an absolute path or abstract socket',
  },
  { rule: 'self.startsWith("unix://") ? !self.endsWith("/") : true', message: 'UDS may not be a dir' },
];

const fields = {
  address: text('IP address, DNS name or unix:// path.', { maxLength: 256, cel: ADDRESS_RULES }),
  ports: map('Port numbers by the port names of the service.', port, {
    maxProperties: 128,
    cel: [
      {
        rule: 'self.all(key, size(key) <= 63 && key.matches("^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$"))',
        message: 'port name must be valid',
      },
    ],
  }),
  labels: map('Labels, as on a pod.', text(), { maxProperties: 256 }),
  network: text('Network the address belongs to.', { maxLength: 2048 }),
  locality: text('region/zone/subzone.', { maxLength: 2048 }),
  weight: uint32('Share of the load.'),
  serviceAccount: text('Service account the workload runs as.', { maxLength: 253 }),
};

const UDS_PORTS = {
  rule: '(has(self.address) ? self.address : "").startsWith("unix://") ? !has(self.ports) : true',
  message: 'UDS may not include ports',
};

/** A workload as the template of a WorkloadGroup describes it: without an address of its own. */
export const workloadTemplate = message('The workload.', fields, { cel: [UDS_PORTS] });

export const workloadEntrySpec = message('One workload.', fields, {
  cel: [{ rule: 'has(self.address) || has(self.network)', message: 'Address is required' }, UDS_PORTS],
});
/** Spec of a WorkloadEntry; also an endpoint of a ServiceEntry. */
export type WorkloadEntrySpec = Static<typeof workloadEntrySpec>;
/** networking.istio.io WorkloadEntry. */
export type WorkloadEntry = Resource<'WorkloadEntry', WorkloadEntrySpec>;
