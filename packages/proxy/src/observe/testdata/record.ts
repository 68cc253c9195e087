// A finished request for tests of what reads records.

import type { RequestRecord } from '../../http/request-record.ts';
import type { ClusterRuntime, EndpointRuntime } from '../../runtime/index.ts';

const REQUEST_HEADERS: Record<string, string> = {
  'x-forwarded-for': '10.0.0.9',
  'user-agent': 'curl/8.5.0',
  'x-request-id': 'b8d4f0a1-0000-4000-8000-000000000001',
};

export function recordOf(fields: Partial<RequestRecord> & { headers?: Record<string, string> } = {}): RequestRecord {
  const headers = { ...REQUEST_HEADERS, ...fields.headers };
  return {
    kind: 'http',
    connection: {
      id: 7,
      localAddress: '10.96.3.4:9080',
      remoteAddress: '10.0.0.9:40312',
      localIp: '10.96.3.4',
      localPort: 9080,
      isRedirected: false,
      remoteIp: '10.0.0.9',
      remotePort: 40312,
      requestedServerName: '',
      transportProtocol: 'raw_buffer',
      mutualTls: false,
      peerPrincipal: '',
      localPrincipal: '',
      tls: undefined,
    },
    streamId: 12,
    startTimeMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
    durationMs: 12.4,
    requestDurationMs: 1,
    responseDurationMs: 11.2,
    protocol: 'HTTP/1.1',
    upstreamProtocol: 'HTTP/1.1',
    method: 'GET',
    path: '/reviews/0?x=1',
    originalPath: '/reviews/0?x=1',
    authority: 'reviews:9080',
    requestHeader: (name) => headers[name],
    requestTrailer: () => undefined,
    responseHeader: (name) => (name === 'x-envoy-upstream-service-time' ? '11' : undefined),
    responseTrailer: () => undefined,
    responseCode: 200,
    responseFlags: 0,
    responseCodeDetails: 'via_upstream',
    connectionTerminationDetails: '',
    upstreamTransportFailureReason: '',
    bytesReceived: 0,
    bytesSent: 375,
    requestHeadersBytes: 210,
    responseHeadersBytes: 120,
    decision: undefined,
    routeName: 'default',
    virtualHostName: 'reviews.default.svc.cluster.local:9080',
    upstreamCluster: 'outbound|9080||reviews.default.svc.cluster.local',
    cluster: clusterWithService({ host: 'reviews.default.svc.cluster.local', name: 'reviews', namespace: 'default' }),
    endpoint: { istioWorkload: 'reviews-v1;default;reviews;v1;Kubernetes', metadata: new Map() } as unknown as EndpointRuntime,
    upstreamHost: '10.244.0.5:9080',
    upstreamLocalAddress: '10.0.0.9:51000',
    upstreamAttemptCount: 1,
    upstreamTls: undefined,
    upstreamPeerPrincipal: '',
    downstreamPeer: undefined,
    upstreamPeer: undefined,
    downstreamRemoteAddress: '10.0.0.9:0',
    grpcStatus: undefined,
    requestMessages: 0,
    responseMessages: 0,
    dynamicMetadata: undefined,
    ...fields,
  };
}

export function clusterWithService(service: Record<string, string> | undefined): ClusterRuntime {
  const name = 'outbound|9080||reviews.default.svc.cluster.local';
  const metadata = service ? new Map([['istio', { services: [service] }]]) : new Map();
  return { name, observabilityName: `${name};`, metadata } as unknown as ClusterRuntime;
}

export const NODE = {
  id: 'sidecar~10.0.0.9~productpage-v1-abc.default~default.svc.cluster.local',
  cluster: 'productpage.default',
  metadata: {
    WORKLOAD_NAME: 'productpage-v1',
    NAMESPACE: 'default',
    CLUSTER_ID: 'Kubernetes',
    ISTIO_VERSION: '1.30.0',
    LABELS: { app: 'productpage', version: 'v1', 'service.istio.io/canonical-name': 'productpage', 'service.istio.io/canonical-revision': 'v1' },
  },
};
