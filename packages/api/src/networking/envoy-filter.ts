// EnvoyFilter: patches to the generated Envoy configuration.

import type { Resource } from '../kube-object.ts';
import { choice, int32, list, map, message, type Static, struct, text, uint32 } from '../schema/build.ts';
import { networkingWorkloadSelector, PORT_RULE, targetRefs } from '../schema/shared.ts';

const filterName = message('A filter by name.', {
  name: text('Its name.'),
  subFilter: message('An HTTP filter inside it.', { name: text('Its name.') }),
});

const listenerMatch = message('Picks listeners.', {
  portNumber: uint32('Port of the listener.'),
  portName: text('Not used.'),
  filterChain: message('Picks a filter chain.', {
    name: text('Its name.'),
    sni: text('Its server name.'),
    transportProtocol: text('tls or raw_buffer.'),
    applicationProtocols: text('Comma-separated ALPN values.'),
    destinationPort: uint32('Destination port it matches.'),
    filter: filterName,
  }),
  listenerFilter: text('A listener filter by name.'),
  name: text('Name of the listener.'),
});

const routeMatch = message('Picks routes.', {
  portNumber: uint32('Service port of the route configuration.'),
  portName: text('Port name of the gateway server.'),
  gateway: text('Gateway as namespace/name.'),
  vhost: message('Picks a virtual host.', {
    name: text('Its name.'),
    domainName: text('One of its domains.'),
    route: message('Picks a route.', {
      name: text('Its name.'),
      action: choice('Its action.', ['ANY', 'ROUTE', 'REDIRECT', 'DIRECT_RESPONSE']),
    }),
  }),
  name: text('Name of the route configuration.'),
});

const clusterMatch = message('Picks clusters.', {
  portNumber: uint32('Service port.'),
  service: text('Host of the service.'),
  subset: text('Subset.'),
  name: text('Name of the cluster.'),
});

const waypointMatch = message('Picks parts of a waypoint.', {
  portNumber: { ...uint32('Service port.'), 'x-kubernetes-validations': [PORT_RULE] },
  filter: filterName,
  route: message('Picks a route.', { name: text('Its name.') }),
});

const match = message(
  'Where the patch applies.',
  {
    context: choice('Kind of proxy and direction; default ANY.', ['ANY', 'SIDECAR_INBOUND', 'SIDECAR_OUTBOUND', 'GATEWAY', 'WAYPOINT']),
    proxy: message('Picks proxies.', {
      proxyVersion: text('RE2 expression for the version.'),
      metadata: map('Node metadata that must be equal.', text()),
    }),
    listener: listenerMatch,
    routeConfiguration: routeMatch,
    cluster: clusterMatch,
    waypoint: waypointMatch,
  },
  {
    oneOf: [{ fields: ['listener', 'routeConfiguration', 'cluster', 'waypoint'] }],
    cel: [
      {
        rule: 'has(self.context) ? ((self.context == "WAYPOINT") ? has(self.waypoint) : !has(self.waypoint)) : !has(self.waypoint)',
        message: 'only support waypointMatch when context is WAYPOINT',
      },
    ],
  },
);

const configPatch = message('One patch.', {
  applyTo: choice('What is patched.', [
    'INVALID',
    'LISTENER',
    'FILTER_CHAIN',
    'NETWORK_FILTER',
    'HTTP_FILTER',
    'ROUTE_CONFIGURATION',
    'VIRTUAL_HOST',
    'HTTP_ROUTE',
    'CLUSTER',
    'EXTENSION_CONFIG',
    'BOOTSTRAP',
    'LISTENER_FILTER',
  ]),
  match,
  patch: message('The change.', {
    operation: choice('How it is applied.', [
      'INVALID',
      'MERGE',
      'ADD',
      'REMOVE',
      'INSERT_BEFORE',
      'INSERT_AFTER',
      'INSERT_FIRST',
      'REPLACE',
      'MERGE_AND_REPLACE_LIST',
    ]),
    value: struct('Envoy configuration.'),
    filterClass: choice('Order of an added filter.', ['UNSPECIFIED', 'AUTHN', 'AUTHZ', 'STATS']),
  }),
});
/** One entry of `configPatches`. */
export type EnvoyConfigObjectPatch = Static<typeof configPatch>;

export const envoyFilterSpec = message(
  'Patches for a set of proxies.',
  {
    workloadSelector: networkingWorkloadSelector,
    targetRefs,
    configPatches: list('Patches, in order.', configPatch),
    priority: int32('Order among EnvoyFilters; lower first, default 0.'),
  },
  {
    cel: [
      {
        rule: '(has(self.workloadSelector)?1:0)+(has(self.targetRefs)?1:0)<=1',
        message: 'only one of targetRefs or workloadSelector can be set',
      },
    ],
  },
);
/** Spec of an EnvoyFilter. */
export type EnvoyFilterSpec = Static<typeof envoyFilterSpec>;
/** networking.istio.io EnvoyFilter. */
export type EnvoyFilter = Resource<'EnvoyFilter', EnvoyFilterSpec>;
