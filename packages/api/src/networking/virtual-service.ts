// VirtualService: how requests for a host are routed.

import type { Resource } from '../kube-object.ts';
import { bool, choice, double, duration, int32, list, map, message, type Static, text, uint32 } from '../schema/build.ts';
import { portSelector, stringMatch } from '../schema/shared.ts';

export const destination = message(
  'Where a request goes: a host of the registry, optionally a subset of a DestinationRule and a port.',
  {
    host: text('Service name; a short name belongs to the namespace of the rule.'),
    subset: text('Subset of the host’s DestinationRule.'),
    port: portSelector,
  },
  { required: ['host'] },
);
/** `destination` of routes and mirrors. */
export type Destination = Static<typeof destination>;

const percent = message('A share of requests.', { value: double('0 to 100.') });

const headerOperations = message('Changes to headers.', {
  set: map('Headers to overwrite.', text()),
  add: map('Headers to append to.', text()),
  remove: list('Headers to drop.', text()),
});

export const headers = message('Changes to request and response headers.', { request: headerOperations, response: headerOperations });
/** Header changes of a route or a destination. */
export type Headers = Static<typeof headers>;

const httpMatch = message('Conditions on a request; all must hold.', {
  name: text('Name of this match, for logs.'),
  uri: stringMatch,
  scheme: stringMatch,
  method: stringMatch,
  authority: stringMatch,
  headers: map('Header conditions by lower-case name; an empty condition asks for presence.', stringMatch),
  port: uint32('Port the request was sent to.'),
  sourceLabels: map('Labels of the calling workload.', text()),
  gateways: list('Gateways this match applies to; overrides the rule’s list.', text()),
  queryParams: map('Query parameter conditions.', stringMatch),
  ignoreUriCase: bool('Ignore case in exact and prefix matches of the URI.'),
  withoutHeaders: map('Header conditions that must not hold.', stringMatch),
  sourceNamespace: text('Namespace of the calling workload.'),
  statPrefix: text('Prefix of the statistics of this match.'),
});
/** One entry of `http[].match`. */
export type HTTPMatchRequest = Static<typeof httpMatch>;

const httpDestination = message(
  'A destination with its share of the requests.',
  {
    destination,
    weight: int32('Share relative to the sum of the weights; a single destination needs none.'),
    headers,
  },
  { required: ['destination'] },
);
/** One entry of `http[].route`. */
export type HTTPRouteDestination = Static<typeof httpDestination>;

const redirect = message(
  'Answers with a redirect.',
  {
    uri: text('New path; or %PREFIX()% followed by text to replace the matched prefix.'),
    authority: text('New host.'),
    port: uint32('New port.'),
    derivePort: choice('Take the port from the new protocol or from the request.', ['FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT']),
    scheme: text('New scheme, http or https.'),
    redirectCode: uint32('3xx status; default 301.'),
  },
  { oneOf: [{ fields: ['port', 'derivePort'] }] },
);

const directResponse = message(
  'Answers without an upstream.',
  {
    status: uint32('HTTP status.'),
    body: message('The body.', { string: text('As text.'), bytes: text('As base64.') }, { oneOf: [{ fields: ['string', 'bytes'] }] }),
  },
  { required: ['status'] },
);

const rewrite = message('Changes path or host before forwarding.', {
  uri: text('Replaces the matched path or prefix.'),
  authority: text('Replaces the host.'),
  uriRegexRewrite: message('Replaces a part of the path.', {
    match: text('RE2 expression.'),
    rewrite: text('Replacement; \\1 is the first group.'),
  }),
});

const retries = message('When and how often to try again.', {
  attempts: int32('Number of retries; 0 switches them off.'),
  perTryTimeout: duration('Limit of one attempt; default is the route’s timeout.'),
  retryOn: text('Comma-separated conditions as Envoy names them, or status codes.'),
  retryRemoteLocalities: bool('Retry in other localities.'),
  retryIgnorePreviousHosts: bool('Prefer hosts that were not tried yet; default true.'),
  backoff: duration('Base interval between retries; default 25 ms.'),
});
/** `http[].retries`. */
export type HTTPRetry = Static<typeof retries>;

const fault = message('Deliberate errors and delays.', {
  delay: message(
    'Waits before forwarding.',
    {
      percent: int32('Use percentage.'),
      fixedDelay: duration('How long.'),
      exponentialDelay: duration('Not supported.'),
      percentage: percent,
    },
    { oneOf: [{ fields: ['fixedDelay', 'exponentialDelay'] }] },
  ),
  abort: message(
    'Answers with an error.',
    {
      httpStatus: int32('HTTP status to answer with.'),
      grpcStatus: text('gRPC status name to answer with.'),
      http2Error: text('Not supported.'),
      percentage: percent,
    },
    { oneOf: [{ fields: ['httpStatus', 'grpcStatus', 'http2Error'] }] },
  ),
});
/** `http[].fault`. */
export type HTTPFaultInjection = Static<typeof fault>;

const mirrorPolicy = message('A copy of the requests.', { destination, percentage: percent }, { required: ['destination'] });

const corsPolicy = message('Cross-origin resource sharing.', {
  allowOrigin: list('Use allowOrigins.', text()),
  allowOrigins: list('Accepted origins.', stringMatch),
  allowMethods: list('Accepted methods.', text()),
  allowHeaders: list('Accepted request headers.', text()),
  exposeHeaders: list('Response headers scripts may read.', text()),
  maxAge: duration('How long a preflight may be cached.'),
  allowCredentials: bool('Whether credentials may be sent.'),
  unmatchedPreflights: choice('What happens to preflights of other origins; default FORWARD.', ['UNSPECIFIED', 'FORWARD', 'IGNORE']),
});
/** `http[].corsPolicy`. */
export type CorsPolicy = Static<typeof corsPolicy>;

const httpRoute = message('A rule: the first whose match holds takes the request.', {
  name: text('Name of the rule, for logs.'),
  match: list('Alternatives; none means every request.', httpMatch),
  route: list('Destinations; the request goes to one of them.', httpDestination),
  redirect,
  directResponse,
  delegate: message('Another VirtualService that holds the routes.', {
    name: text('Its name.'),
    namespace: text('Its namespace; default is this one.'),
  }),
  rewrite,
  timeout: duration('Limit of the whole request; off by default.'),
  retries,
  fault,
  mirror: destination,
  mirrors: list('Destinations that get copies.', mirrorPolicy),
  mirror_percent: uint32('Use mirrorPercentage.'),
  mirrorPercent: uint32('Use mirrorPercentage.'),
  mirrorPercentage: percent,
  corsPolicy,
  headers,
});
/** One entry of `http`. */
export type HTTPRoute = Static<typeof httpRoute>;

const routeDestination = message(
  'A destination with its share of the connections.',
  { destination, weight: int32('Share relative to the sum of the weights.') },
  { required: ['destination'] },
);
/** One entry of `tcp[].route` and `tls[].route`. */
export type RouteDestination = Static<typeof routeDestination>;

const l4MatchFields = {
  destinationSubnets: list('Destination addresses, as CIDR.', text()),
  port: uint32('Destination port.'),
  sourceLabels: map('Labels of the calling workload.', text()),
  gateways: list('Gateways this match applies to.', text()),
  sourceNamespace: text('Namespace of the calling workload.'),
};

const tlsRoute = message(
  'A rule for TLS connections that are passed through.',
  {
    match: list(
      'Alternatives.',
      message(
        'Conditions on a TLS connection.',
        { sniHosts: list('Server names, with wildcards.', text()), ...l4MatchFields },
        { required: ['sniHosts'] },
      ),
    ),
    route: list('Destinations.', routeDestination),
  },
  { required: ['match'] },
);
/** One entry of `tls`. */
export type TLSRoute = Static<typeof tlsRoute>;

const tcpRoute = message('A rule for TCP connections.', {
  match: list(
    'Alternatives; none means every connection.',
    message('Conditions on a connection.', { ...l4MatchFields, sourceSubnet: text('Source address, as CIDR.') }),
  ),
  route: list('Destinations.', routeDestination),
});
/** One entry of `tcp`. */
export type TCPRoute = Static<typeof tcpRoute>;

export const virtualServiceSpec = message('Routing of the requests for a set of hosts.', {
  hosts: list('Hosts the rules apply to: service names, DNS names or wildcards. None makes this a delegate.', text()),
  gateways: list('Gateways and "mesh" (the default) the rules apply to; "namespace/name" for one elsewhere.', text()),
  http: list('Rules for HTTP traffic, in order.', httpRoute),
  tls: list('Rules for TLS traffic that is not terminated.', tlsRoute),
  tcp: list('Rules for other TCP traffic.', tcpRoute),
  exportTo: list('Namespaces that see the rules: ".", "*" or names.', text()),
});
/** Spec of a VirtualService. */
export type VirtualServiceSpec = Static<typeof virtualServiceSpec>;
/** networking.istio.io VirtualService. */
export type VirtualService = Resource<'VirtualService', VirtualServiceSpec>;
