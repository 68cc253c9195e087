import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRegistry, fromJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import {
  ClusterLoadAssignmentSchema,
  ClusterSchema,
  leastRequestLbPolicy,
  UpstreamTlsContextSchema,
  upstreamHttp,
  wrrLocalityLbPolicy,
} from '@lateen/xds/messages';
import type { ClusterRuntime } from '../model.ts';
import { compileCluster, compileEndpoints } from './compile.ts';

const registry = createRegistry(
  upstreamHttp.HttpProtocolOptionsSchema,
  leastRequestLbPolicy.LeastRequestSchema,
  wrrLocalityLbPolicy.WrrLocalitySchema,
  UpstreamTlsContextSchema,
);
const compiled = (json: JsonValue) => compileCluster(fromJson(ClusterSchema, json, { registry }));
const clusterOf = (json: JsonValue): ClusterRuntime => {
  const result = compiled(json);
  assert.ok(result.ok, result.ok ? '' : result.error.join('\n'));
  return result.value;
};

test('an Istio outbound cluster', () => {
  const cluster = clusterOf({
    name: 'outbound|9080|v1|reviews.default.svc.cluster.local',
    type: 'EDS',
    edsClusterConfig: {
      edsConfig: { ads: {}, resourceApiVersion: 'V3' },
      serviceName: 'outbound|9080|v1|reviews.default.svc.cluster.local',
    },
    connectTimeout: '10s',
    lbPolicy: 'LEAST_REQUEST',
    circuitBreakers: { thresholds: [{ maxConnections: 4294967295, maxRetries: 4294967295, trackRemaining: true }] },
    commonLbConfig: { localityWeightedLbConfig: {} },
    typedExtensionProtocolOptions: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        useDownstreamProtocolConfig: { httpProtocolOptions: {}, http2ProtocolOptions: {} },
        commonHttpProtocolOptions: { idleTimeout: '300s', maxRequestsPerConnection: 7 },
      },
    },
    metadata: {
      filterMetadata: { istio: { services: [{ name: 'reviews', namespace: 'default', host: 'reviews.default.svc.cluster.local' }] } },
    },
  });
  assert.deepEqual(cluster.discovery, { kind: 'eds', serviceName: 'outbound|9080|v1|reviews.default.svc.cluster.local' });
  assert.deepEqual(cluster.lb, { kind: 'least_request', choiceCount: 2, activeRequestBias: 1, slowStart: undefined });
  assert.equal(cluster.localityWeighted, true);
  assert.equal(cluster.connectTimeoutMs, 10_000);
  assert.deepEqual([cluster.protocol.kind, cluster.idleTimeoutMs, cluster.maxRequestsPerConnection], ['downstream', 300_000, 7]);
  assert.deepEqual(
    [cluster.circuitBreakers.default.maxConnections, cluster.circuitBreakers.default.maxPendingRequests],
    [4_294_967_295, 1024],
  );
  assert.deepEqual(cluster.circuitBreakers.high.maxRetries, 3);
});

const policy = (type: string, fields: JsonObject): JsonObject => ({
  typedExtensionConfig: {
    name: type,
    typedConfig: { '@type': `type.googleapis.com/envoy.extensions.load_balancing_policies.${type}`, ...fields },
  },
});

test('load_balancing_policy replaces the enum', () => {
  const cluster = clusterOf({
    name: 'c',
    type: 'STATIC',
    loadBalancingPolicy: {
      policies: [
        policy('wrr_locality.v3.WrrLocality', {
          endpointPickingPolicy: { policies: [policy('least_request.v3.LeastRequest', { choiceCount: 3 })] },
        }),
      ],
    },
  });
  assert.deepEqual([cluster.lb.kind, cluster.localityWeighted], ['least_request', true]);
});

const refusals: [string, JsonValue, string][] = [
  [
    'active health checks',
    { name: 'c', healthChecks: [{ timeout: '1s', interval: '1s', tcpHealthCheck: {} }] },
    'cluster "c": health_checks: is not supported',
  ],
  [
    'EDS from elsewhere',
    { name: 'c', type: 'EDS', edsClusterConfig: { edsConfig: { path: '/x' } } },
    'cluster "c": eds_cluster_config.eds_config: only ads is supported',
  ],
  [
    'an address that is no socket address',
    {
      name: 'c',
      loadAssignment: { clusterName: 'c', endpoints: [{ lbEndpoints: [{ endpoint: { address: { pipe: { path: '/x' } } } }] }] },
    },
    'cluster "c": load_assignment.endpoints[0].lb_endpoints[0].endpoint.address: pipe addresses are not supported',
  ],
];
for (const [name, json, reason] of refusals) {
  test(`refused: ${name}`, () => {
    const result = compiled(json);
    assert.ok(!result.ok);
    assert.deepEqual(result.error, [reason]);
  });
}

test('endpoints keep weight, health, locality and Istio workload, ordered by priority', () => {
  const endpoint = (address: string, fields: object = {}) => ({
    endpoint: { address: { socketAddress: { address, portValue: 80 } } },
    ...fields,
  });
  const result = compileEndpoints(
    fromJson(ClusterLoadAssignmentSchema, {
      clusterName: 'c',
      endpoints: [
        { priority: 1, lbEndpoints: [endpoint('10.0.0.3')] },
        {
          locality: { region: 'r', zone: 'z' },
          loadBalancingWeight: 5,
          lbEndpoints: [
            endpoint('10.0.0.1', { healthStatus: 'DRAINING', loadBalancingWeight: 3 }),
            endpoint('10.0.0.2', { metadata: { filterMetadata: { istio: { workload: 'reviews-v1;default;reviews;v1;Kubernetes' } } } }),
          ],
        },
      ],
    }),
  );
  assert.ok(result.ok);
  const [first, second] = result.value.localities;
  assert.deepEqual([first?.region, first?.zone, first?.weight, first?.priority, second?.priority], ['r', 'z', 5, 0, 1]);
  assert.deepEqual(
    first?.endpoints.map(({ host, weight, health, istioWorkload }) => [host, weight, health, istioWorkload]),
    [
      ['10.0.0.1', 3, 'draining', undefined],
      ['10.0.0.2', 1, 'healthy', 'reviews-v1;default;reviews;v1;Kubernetes'],
    ],
  );
});
