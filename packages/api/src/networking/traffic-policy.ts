// The traffic policy of DestinationRule and MeshConfig: balancing, pools, outlier detection, client TLS.

import { bool, choice, double, duration, int32, list, map, message, type Static, text, uint32, uint64 } from '../schema/build.ts';
import { portSelector } from '../schema/shared.ts';

const consistentHash = message(
  'Sends equal keys to the same endpoint.',
  {
    httpHeaderName: text('Key: a request header.'),
    httpCookie: message(
      'Key: a cookie.',
      {
        name: text('Cookie name.'),
        path: text('Cookie path.'),
        ttl: duration('With it the proxy sets the cookie; 0s makes a session cookie.', { minDurationMs: 0 }),
        attributes: list(
          'More attributes of the cookie that is set.',
          message('One attribute.', { name: text('Name.'), value: text('Value.') }, { required: ['name'] }),
        ),
      },
      { required: ['name'] },
    ),
    useSourceIp: bool('Key: the address of the caller.'),
    httpQueryParameterName: text('Key: a query parameter.'),
    ringHash: message('Ring hashing.', { minimumRingSize: uint64('Smallest ring; default 1024.') }),
    maglev: message('Maglev hashing.', { tableSize: uint64('A prime below 5000011; default 65537.') }),
    minimumRingSize: uint64('Use ringHash.'),
  },
  {
    oneOf: [{ fields: ['httpHeaderName', 'httpCookie', 'useSourceIp', 'httpQueryParameterName'] }, { fields: ['ringHash', 'maglev'] }],
  },
);
/** `loadBalancer.consistentHash`. */
export type ConsistentHash = Static<typeof consistentHash>;

export const localityLbSetting = message('Balancing between localities.', {
  distribute: list(
    'Explicit shares per source locality; not with failover.',
    message('Shares of one source locality.', {
      from: text('Source, as region/zone/subzone; "*" at the end matches the rest.'),
      to: map('Destination locality to percent; they sum to 100.', uint32('')),
    }),
  ),
  failover: list(
    'Where traffic goes when a region has no healthy endpoint.',
    message('One fail-over.', { from: text('Region.'), to: text('Region.') }),
  ),
  failoverPriority: list('Labels in the order in which they must agree.', text()),
  enabled: bool('Overrides the mesh-wide switch.'),
});
/** `localityLbSetting`. */
export type LocalityLoadBalancerSetting = Static<typeof localityLbSetting>;

const warmup = message(
  'Ramps up traffic to new endpoints.',
  {
    duration: duration('How long the ramp takes.', { minDurationMs: 0 }),
    minimumPercent: double('Smallest share of the full weight; default 10.', { minimum: 0, maximum: 100 }),
    aggression: double('Shape of the ramp; 1 is linear.', { minimum: 1 }),
  },
  { required: ['duration'] },
);

export const loadBalancer = message(
  'How an endpoint is picked.',
  {
    simple: choice('A standard algorithm; default LEAST_REQUEST.', [
      'UNSPECIFIED',
      'LEAST_CONN',
      'RANDOM',
      'PASSTHROUGH',
      'ROUND_ROBIN',
      'LEAST_REQUEST',
    ]),
    consistentHash,
    localityLbSetting,
    zoneAwareLbSetting: message('Zone-aware routing; off by default.', {
      enabled: bool('Switches it on.'),
      routingEnabled: double('Percentage of requests it applies to.', { minimum: 0, maximum: 100 }),
      minClusterSize: uint64('Smallest number of endpoints it applies to.'),
    }),
    warmupDurationSecs: duration('Use warmup.', { minDurationMs: 0 }),
    warmup,
  },
  { oneOf: [{ fields: ['simple', 'consistentHash'] }] },
);
/** `loadBalancer`. */
export type LoadBalancerSettings = Static<typeof loadBalancer>;

export const tcpKeepalive = message('TCP keepalive probes.', {
  probes: uint32('Probes without answer until the connection is dead.'),
  time: duration('Idle time before the first probe.', { minDurationMs: 0 }),
  interval: duration('Time between probes.', { minDurationMs: 0 }),
});
/** `tcpKeepalive`. */
export type TcpKeepalive = Static<typeof tcpKeepalive>;

export const connectionPool = message('Limits of the connections to a host.', {
  tcp: message('Limits for TCP and HTTP.', {
    maxConnections: int32('Most connections; default 2^32-1.'),
    connectTimeout: duration('Time to connect; default 10 s.'),
    tcpKeepalive,
    maxConnectionDuration: duration('Longest life of a connection.'),
    idleTimeout: duration('Idle limit of a TCP connection; default 1 h, 0s for none.', { minDurationMs: 0 }),
  }),
  http: message('Limits for HTTP.', {
    http1MaxPendingRequests: int32('Most requests waiting for a connection; default 2^32-1.'),
    http2MaxRequests: int32('Most active requests; default 2^32-1.'),
    maxRequestsPerConnection: int32('Requests after which a connection is replaced; 0 for no limit.'),
    maxRetries: int32('Most retries at a time; default 2^32-1.'),
    idleTimeout: duration('Idle limit of an HTTP connection; default 1 h, 0s for none.', { minDurationMs: 0 }),
    h2UpgradePolicy: choice('Whether HTTP/1.1 is upgraded to HTTP/2 towards the host.', ['DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE']),
    useClientProtocol: bool('Speak to the host what the caller spoke.'),
    maxConcurrentStreams: int32('Most concurrent streams of an HTTP/2 connection.'),
    http2KeepAlive: message('HTTP/2 PING keepalive.', {
      interval: duration('Time between PINGs.', { minDurationMs: 0 }),
      timeout: duration('Time until an unanswered PING closes the connection.', { minDurationMs: 0 }),
    }),
  }),
});
/** `connectionPool`. */
export type ConnectionPoolSettings = Static<typeof connectionPool>;

export const outlierDetection = message('Ejects endpoints that keep failing; off unless present.', {
  consecutiveErrors: int32('Use consecutiveGatewayErrors or consecutive5xxErrors.'),
  splitExternalLocalOriginErrors: bool('Count connect failures apart from HTTP errors.'),
  consecutiveLocalOriginFailures: uint32('Connect failures in a row before ejection; default 5.'),
  consecutiveGatewayErrors: uint32('502, 503, 504 in a row before ejection; 0 or absent for never.'),
  consecutive5xxErrors: uint32('5xx in a row before ejection; default 5, 0 for never.'),
  interval: duration('Time between sweeps; default 10 s.'),
  baseEjectionTime: duration('Ejection time, multiplied by the count of ejections; default 30 s.'),
  maxEjectionPercent: int32('Largest share of endpoints ejected; default 10.'),
  minHealthPercent: int32('Below this share of healthy endpoints nothing is ejected; default 0.'),
});
/** `outlierDetection`. */
export type OutlierDetection = Static<typeof outlierDetection>;

export const clientTls = message('TLS towards a host.', {
  mode: choice('DISABLE, SIMPLE (server certificate only), MUTUAL, or ISTIO_MUTUAL with the mesh’s certificates.', [
    'DISABLE',
    'SIMPLE',
    'MUTUAL',
    'ISTIO_MUTUAL',
  ]),
  clientCertificate: text('Path of the client certificate.'),
  privateKey: text('Path of its key.'),
  caCertificates: text('Path of the CA certificates the server is verified with.'),
  credentialName: text('Secret with certificate, key and CA.'),
  subjectAltNames: list('Names of which the server certificate must carry one.', text()),
  sni: text('Server name to send.'),
  insecureSkipVerify: bool('Do not verify the server.'),
  caCrl: text('Path of the revocation list.'),
});
/** `tls` of a traffic policy. */
export type ClientTls = Static<typeof clientTls>;

const portTrafficPolicy = message('Policy of one port; what it leaves out falls back to the defaults, not to the policy above.', {
  port: portSelector,
  loadBalancer,
  connectionPool,
  outlierDetection,
  tls: clientTls,
});
/** One entry of `portLevelSettings`. */
export type PortTrafficPolicy = Static<typeof portTrafficPolicy>;

export const trafficPolicy = message('What happens after routing.', {
  loadBalancer,
  connectionPool,
  outlierDetection,
  tls: clientTls,
  portLevelSettings: list('Policies of single ports.', portTrafficPolicy, { maxItems: 4096 }),
  tunnel: message(
    'Tunnels connections through an HTTP proxy.',
    {
      protocol: text('CONNECT (default) or POST.'),
      targetHost: text('Host the tunnel ends at.'),
      targetPort: uint32('Port the tunnel ends at.'),
    },
    { required: ['targetHost', 'targetPort'] },
  ),
  proxyProtocol: message('Sends the PROXY protocol header.', { version: choice('V1 (default) or V2.', ['V1', 'V2']) }),
  retryBudget: message('Limits retries to a share of the active requests.', {
    percent: double('Share; default 20.', { minimum: 0, maximum: 100 }),
    minRetryConcurrency: uint32('Retries that are always allowed; default 3.'),
  }),
});
/** `trafficPolicy`. */
export type TrafficPolicy = Static<typeof trafficPolicy>;
