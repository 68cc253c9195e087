// Sidecar: what a workload's proxy listens on and which services it sees.

import type { Resource } from '../kube-object.ts';
import { choice, list, message, type Static, text, uint32 } from '../schema/build.ts';
import { networkingWorkloadSelector, serverTls } from '../schema/shared.ts';
import { connectionPool } from './traffic-policy.ts';
import { destination } from './virtual-service.ts';

const sidecarPort = message('A port.', {
  number: uint32('Port number.'),
  protocol: text('HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP or TLS.'),
  name: text('Label of the port.'),
  targetPort: uint32('Has no effect here.'),
});
/** Port of a Sidecar listener. */
export type SidecarPort = Static<typeof sidecarPort>;

const captureMode = choice('How traffic reaches the listener.', ['DEFAULT', 'IPTABLES', 'NONE']);

const ingress = message(
  'A listener for traffic to the workload.',
  {
    port: sidecarPort,
    bind: text('Address to listen on.'),
    captureMode,
    defaultEndpoint: text('Where traffic goes: 127.0.0.1:PORT, 0.0.0.0:PORT (the pod’s address) or unix://path.'),
    tls: serverTls,
    connectionPool,
  },
  { required: ['port'] },
);
/** One entry of `ingress`. */
export type IstioIngressListener = Static<typeof ingress>;

const egress = message(
  'A listener for traffic from the workload.',
  {
    port: sidecarPort,
    bind: text('Address or unix:// path to listen on.'),
    captureMode,
    hosts: list('Services that are seen, "namespace/host"; "." is this namespace, "*" all, "~" none.', text()),
  },
  { required: ['hosts'] },
);
/** One entry of `egress`. */
export type IstioEgressListener = Static<typeof egress>;

export const outboundTrafficPolicy = message('What happens to traffic to hosts outside the registry.', {
  mode: choice('ALLOW_ANY lets it pass, REGISTRY_ONLY drops it.', ['REGISTRY_ONLY', 'ALLOW_ANY']),
  egressProxy: destination,
});
/** `outboundTrafficPolicy`. */
export type OutboundTrafficPolicy = Static<typeof outboundTrafficPolicy>;

export const sidecarSpec = message('Configuration of the proxies of a namespace or of the selected workloads.', {
  workloadSelector: networkingWorkloadSelector,
  ingress: list('Inbound listeners; default is one per port of the workload.', ingress),
  egress: list('Outbound listeners; default is one for everything.', egress),
  inboundConnectionPool: connectionPool,
  outboundTrafficPolicy,
});
/** Spec of a Sidecar. */
export type SidecarSpec = Static<typeof sidecarSpec>;
/** networking.istio.io Sidecar. */
export type Sidecar = Resource<'Sidecar', SidecarSpec>;
