// What Istio's users commonly write, and what it becomes.

import type { KubeObject } from '@lateen/kube/types';
import { DEFAULT_MESH_CONFIG, ingestAll, NO_LOCALITY } from '@lateen/mesh';
import { type ProxyScope, translate } from '@lateen/mesh/translate';
import { parseAllDocuments } from 'yaml';

const SERVICES = `
apiVersion: v1
kind: Service
metadata: { name: a, namespace: default }
spec:
  clusterIP: 10.1.1.1
  ports: [{ name: http, port: 80 }, { name: tcp-x, port: 90 }, { name: grpc-y, port: 100 }, { name: https, port: 443 }]
  selector: { app: a }
---
apiVersion: v1
kind: Pod
metadata: { name: a-0, namespace: default, labels: { app: a } }
spec: { containers: [{ name: a }] }
status: { phase: Running, podIP: 10.244.1.1 }
`;

const object = (api: string, kind: string, spec: string): string =>
  `\n---\napiVersion: ${api}.istio.io/v1\nkind: ${kind}\nmetadata: { name: x, namespace: default }\nspec: ${spec}\n`;
const policy = (text: string): string => object('networking', 'DestinationRule', `{ host: a, trafficPolicy: ${text} }`);
const http = (rule: string): string =>
  object('networking', 'VirtualService', `{ hosts: [a], http: [{ ${rule}, route: [{ destination: { host: a } }] }] }`);
const server = (text: string): string => object('networking', 'Gateway', `{ selector: { istio: ingressgateway }, servers: [${text}] }`);
const entry = (text: string): string => object('networking', 'ServiceEntry', text);

/** Objects by what they are about, as YAML that follows the services. */
export const CONFIGURATIONS: Record<string, string> = {
  'TLS to the upstream off': policy('{ tls: { mode: DISABLE } }'),
  'TLS to the upstream': policy('{ tls: { mode: SIMPLE, sni: a.example.com } }'),
  "Istio's mutual TLS": policy('{ tls: { mode: ISTIO_MUTUAL } }'),
  'connection pools and outliers': policy(`{
    connectionPool: {
      tcp: { maxConnections: 1, connectTimeout: 1s, tcpKeepalive: { time: 7200s, interval: 75s }, maxConnectionDuration: 1h, idleTimeout: 1h },
      http: { http1MaxPendingRequests: 1, http2MaxRequests: 1, maxRequestsPerConnection: 1, maxRetries: 2, idleTimeout: 1s, h2UpgradePolicy: DO_NOT_UPGRADE }
    },
    outlierDetection: {
      consecutive5xxErrors: 1, consecutiveGatewayErrors: 2, interval: 1s, baseEjectionTime: 3m, maxEjectionPercent: 100,
      splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 3, minHealthPercent: 10
    } }`),
  'an upgrade to HTTP/2': policy('{ connectionPool: { http: { h2UpgradePolicy: UPGRADE } } }'),
  'keep-alive of HTTP/2': policy('{ connectionPool: { http: { h2UpgradePolicy: UPGRADE, http2KeepAlive: { interval: 30s } } } }'),
  "the client's protocol": policy('{ connectionPool: { http: { useClientProtocol: true } } }'),
  'warming up': policy('{ loadBalancer: { simple: ROUND_ROBIN, warmup: { duration: 30s, minimumPercent: 10, aggression: 1 } } }'),
  'no balancing': policy('{ loadBalancer: { simple: PASSTHROUGH } }'),
  'random hosts': policy('{ loadBalancer: { simple: RANDOM } }'),
  'fewest requests': policy('{ loadBalancer: { simple: LEAST_REQUEST } }'),
  'hashing a header': policy('{ loadBalancer: { consistentHash: { httpHeaderName: x-user } } }'),
  'hashing a cookie': policy('{ loadBalancer: { consistentHash: { httpCookie: { name: user, ttl: 0s } } } }'),
  'a cookie with attributes': policy(
    '{ loadBalancer: { consistentHash: { httpCookie: { name: user, ttl: 60s, attributes: [{ name: SameSite, value: Lax }, { name: Secure }] } } } }',
  ),
  'hashing the address': policy('{ loadBalancer: { consistentHash: { useSourceIp: true } } }'),
  'hashing a parameter': policy('{ loadBalancer: { consistentHash: { httpQueryParameterName: q, ringHash: { minimumRingSize: 4096 } } } }'),
  'hashing with Maglev': policy('{ loadBalancer: { consistentHash: { useSourceIp: true, maglev: { tableSize: 101 } } } }'),
  'shares of localities': policy(
    '{ loadBalancer: { localityLbSetting: { enabled: true, distribute: [{ from: "us/*", to: { "us/*": 100 } }] } }, outlierDetection: {} }',
  ),
  'failover by labels': policy(
    '{ loadBalancer: { localityLbSetting: { enabled: true, failoverPriority: [topology.kubernetes.io/region] } }, outlierDetection: {} }',
  ),
  'a retry budget': policy('{ retryBudget: { percent: 20, minRetryConcurrency: 3 } }'),
  'the PROXY protocol': policy('{ proxyProtocol: { version: V2 } }'),
  'TCP routes': object(
    'networking',
    'VirtualService',
    '{ hosts: [a], tcp: [{ match: [{ port: 90 }], route: [{ destination: { host: a, port: { number: 90 } }, weight: 80 }, { destination: { host: a, port: { number: 90 } }, weight: 20 }] }] }',
  ),
  'TLS routes': object(
    'networking',
    'VirtualService',
    '{ hosts: [a], tls: [{ match: [{ port: 443, sniHosts: [a] }], route: [{ destination: { host: a, port: { number: 443 } } }] }] }',
  ),
  'a gRPC fault': http('fault: { abort: { grpcStatus: UNAVAILABLE, percentage: { value: 50 } } }'),
  mirrors: http('mirrors: [{ destination: { host: a }, percentage: { value: 10 } }]'),
  retries: http(
    'retries: { attempts: 3, perTryTimeout: 2s, retryOn: "gateway-error,connect-failure,refused-stream,retriable-4xx,503", retryRemoteLocalities: true, retryIgnorePreviousHosts: false, backoff: 10ms }',
  ),
  'matches of many kinds': http(
    'match: [{ scheme: { exact: http }, sourceLabels: { app: a }, sourceNamespace: default, statPrefix: x, port: 80, ignoreUriCase: true, uri: { prefix: /A } }]',
  ),
  'a gateway with TLS': server(
    '{ port: { number: 443, name: https, protocol: HTTPS }, hosts: ["*"], tls: { mode: SIMPLE, credentialName: c } }',
  ),
  'a gateway that redirects to HTTPS': server(
    '{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"], tls: { httpsRedirect: true } }',
  ),
  'a gateway that passes TLS through': server(
    '{ port: { number: 443, name: tls, protocol: TLS }, hosts: ["*"], tls: { mode: PASSTHROUGH } }',
  ),
  'a TCP gateway': server('{ port: { number: 3306, name: tcp, protocol: TCP }, hosts: ["*"] }'),
  'a gRPC gateway': server('{ port: { number: 80, name: grpc, protocol: GRPC }, hosts: ["*"] }'),
  'an external name': entry(
    '{ hosts: [e.example.com], ports: [{ number: 443, name: https, protocol: TLS }, { number: 80, name: http, protocol: HTTP }], resolution: DNS, location: MESH_EXTERNAL }',
  ),
  'an external name, one address at a time': entry(
    '{ hosts: [e.example.com], ports: [{ number: 443, name: https, protocol: TLS }], resolution: DNS_ROUND_ROBIN }',
  ),
  'external names of a domain': entry(
    '{ hosts: ["*.example.com"], ports: [{ number: 443, name: https, protocol: TLS }], resolution: NONE }',
  ),
  'a Sidecar': object('networking', 'Sidecar', '{ egress: [{ hosts: ["./*"] }], outboundTrafficPolicy: { mode: REGISTRY_ONLY } }'),
  'strict mutual TLS': object('security', 'PeerAuthentication', '{ mtls: { mode: STRICT } }'),
  authorization: object('security', 'AuthorizationPolicy', '{ action: DENY, rules: [{ to: [{ operation: { methods: [POST] } }] }] }'),
  telemetry: object(
    'telemetry',
    'Telemetry',
    '{ accessLogging: [{ providers: [{ name: envoy }], filter: { expression: "response.code >= 400" } }], tracing: [{ randomSamplingPercentage: 10 }] }',
  ),
};

export const SCOPES = [
  { type: 'sidecar', namespace: 'default', labels: { app: 'a' } },
  { type: 'router', namespace: 'istio-system', labels: { istio: 'ingressgateway' } },
] as const;

/** The translation of one of them for one kind of proxy. */
export function translated(yaml: string, scope: (typeof SCOPES)[number], options: Partial<ProxyScope> = {}) {
  const objects = parseAllDocuments(SERVICES + yaml).flatMap((document) => (document.toJS() as KubeObject | null) ?? []);
  return translate(ingestAll(objects, DEFAULT_MESH_CONFIG), { locality: NO_LOCALITY, hasIstioFilters: true, ...scope, ...options });
}
