// Gateway: ports, hosts and TLS of a proxy at the edge.

import type { Resource } from '../kube-object.ts';
import { list, map, message, type Static, text } from '../schema/build.ts';
import { serverPort, serverTls } from '../schema/shared.ts';

const server = message(
  'A listener of the gateway.',
  {
    port: serverPort,
    bind: text('Address or unix:// path to listen on.'),
    hosts: list('Hosts it serves, "namespace/host" to restrict who may route for them.', text()),
    tls: serverTls,
    defaultEndpoint: text('Not used.'),
    name: text('Name of the server, for statistics.'),
  },
  { required: ['port', 'hosts'] },
);
/** One entry of `servers`. */
export type Server = Static<typeof server>;

export const gatewaySpec = message('What the selected gateway pods listen on.', {
  servers: list('Listeners.', server),
  selector: map('Labels of the gateway pods.', text()),
});
/** Spec of a Gateway. */
export type GatewaySpec = Static<typeof gatewaySpec>;
/** networking.istio.io Gateway. */
export type Gateway = Resource<'Gateway', GatewaySpec>;
