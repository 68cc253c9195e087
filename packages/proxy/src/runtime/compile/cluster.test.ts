import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRegistry, fromJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import {
  ClusterLoadAssignmentSchema,
  ClusterSchema,
  leastRequestLbPolicy,
  subsetLbPolicy,
  UpstreamTlsContextSchema,
  upstreamHttp,
  wrrLocalityLbPolicy,
} from '@lateen/xds/messages';
import { caresDnsResolver, dnsCluster, preserveCaseFormatter } from '@lateen/xds/messages/proxy';
import type { ClusterRuntime } from '../model.ts';
import { compileCluster, compileEndpoints } from './compile.ts';

const TYPE = 'type.googleapis.com/';
const registry = createRegistry(
  dnsCluster.DnsClusterSchema,
  caresDnsResolver.CaresDnsResolverConfigSchema,
  upstreamHttp.HttpProtocolOptionsSchema,
  leastRequestLbPolicy.LeastRequestSchema,
  wrrLocalityLbPolicy.WrrLocalitySchema,
  subsetLbPolicy.SubsetSchema,
  UpstreamTlsContextSchema,
  preserveCaseFormatter.PreserveCaseFormatterConfigSchema,
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
  const name = 'outbound|9080|v1|reviews.default.svc.cluster.local';
  const source = { kind: 'ads', initialFetchTimeoutMs: 15_000 };
  assert.deepEqual(cluster.discovery, { kind: 'eds', serviceName: name, resourceName: name, source });
  assert.deepEqual(cluster.lb, { kind: 'least_request', choiceCount: 2, activeRequestBias: 1, fullScan: false, slowStart: undefined });
  assert.equal(cluster.localityWeighted, true);
  assert.equal(cluster.connectTimeoutMs, 10_000);
  assert.deepEqual([cluster.protocol.kind, cluster.idleTimeoutMs, cluster.maxRequestsPerConnection], ['downstream', 300_000, 7]);
  assert.deepEqual(
    [cluster.circuitBreakers.default.maxConnections, cluster.circuitBreakers.default.maxPendingRequests],
    [4_294_967_295, 1024],
  );
  assert.deepEqual(cluster.circuitBreakers.high.maxRetries, 3);
});

const PRESERVE_CASE = 'type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig';
const keepsLetters = (fields: JsonObject): JsonObject => ({
  headerKeyFormat: { statefulFormatter: { name: 'preserve_case', typedConfig: { '@type': PRESERVE_CASE, ...fields } } },
});

for (const [name, protocol] of [
  ['explicit_http_config', (http1: JsonObject) => ({ explicitHttpConfig: { httpProtocolOptions: http1 } })],
  ['use_downstream_protocol_config', (http1: JsonObject) => ({ useDownstreamProtocolConfig: { httpProtocolOptions: http1 } })],
] as const) {
  test(`header_key_format and allow_chunked_length of ${name}`, () => {
    const http1 = (options: JsonObject) => {
      const type = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
      const typed = { '@type': `type.googleapis.com/${type}`, ...protocol(options) };
      return clusterOf({ name: 'c', type: 'STATIC', typedExtensionProtocolOptions: { [type]: typed } }).http1;
    };
    const plain = {
      enableTrailers: false,
      allowChunkedLength: false,
      sendFullyQualifiedUrl: false,
      properCase: false,
      preserveCase: undefined,
    };
    assert.deepEqual(http1({}), plain);
    assert.deepEqual(http1({ allowChunkedLength: true, headerKeyFormat: { properCaseWords: {} } }), {
      ...plain,
      allowChunkedLength: true,
      properCase: true,
    });
    assert.deepEqual(http1(keepsLetters({})).preserveCase, { forwardReasonPhrase: false, ownInProperCase: false });
    assert.deepEqual(http1(keepsLetters({ forwardReasonPhrase: true, formatterTypeOnEnvoyHeaders: 'PROPER_CASE' })).preserveCase, {
      forwardReasonPhrase: true,
      ownInProperCase: true,
    });
  });
}

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

test('subsets as a policy extension around another policy', () => {
  const cluster = clusterOf({
    name: 'c',
    loadBalancingPolicy: {
      policies: [
        policy('subset.v3.Subset', {
          fallbackPolicy: 'ANY_ENDPOINT',
          subsetSelectors: [{ keys: ['version'], fallbackPolicy: 'NO_FALLBACK' }],
          subsetLbPolicy: { policies: [policy('least_request.v3.LeastRequest', { enableFullScan: true })] },
        }),
      ],
    },
  });
  assert.ok(cluster.lb.kind === 'least_request' && cluster.lb.fullScan);
  assert.equal(cluster.subsets?.fallback, 'any_endpoint');
  assert.deepEqual(cluster.subsets?.selectors, [{ keys: ['version'], singleHost: false, fallback: 'no_fallback', fallbackKeys: [] }]);
});

test('subsets, health checks and outlier detection with what Envoy takes when a field is not set', () => {
  const cluster = clusterOf({
    name: 'c',
    healthChecks: [{ ...EVERY_SECOND, httpHealthCheck: { path: '/healthz', receive: [{ text: '6f6b' }] } }],
    lbSubsetConfig: { fallbackPolicy: 'ANY_ENDPOINT', subsetSelectors: [{ keys: ['version', 'stage', 'version'] }] },
    outlierDetection: {},
    circuitBreakers: { perHostThresholds: [{ maxConnections: 7 }] },
  });
  assert.deepEqual(cluster.subsets, {
    fallback: 'any_endpoint',
    defaultSubset: {},
    selectors: [{ keys: ['stage', 'version'], singleHost: false, fallback: undefined, fallbackKeys: [] }],
    localityWeightAware: false,
    scaleLocalityWeight: false,
    panicModeAny: false,
    listAsAny: false,
    usesFallbackList: false,
  });
  const { healthCheck: check } = cluster;
  assert.deepEqual(
    [check?.unhealthyIntervalMs, check?.unhealthyEdgeIntervalMs, check?.noTrafficIntervalMs, check?.reuseConnection],
    [1000, 1000, 60_000, true],
  );
  assert.ok(check?.probe.kind === 'http');
  assert.deepEqual(
    [check.probe.method, check.probe.expected, check.probe.receive],
    ['GET', [{ start: 200, end: 201 }], [Uint8Array.of(0x6f, 0x6b)]],
  );
  assert.deepEqual(cluster.outlier?.successRate, {
    enforcingPercent: 100,
    enforcingLocalOriginPercent: 100,
    minimumHosts: 5,
    requestVolume: 100,
    stdevFactor: 1.9,
  });
  assert.equal(cluster.outlier?.maxEjectionPercent, 10);
  assert.equal(cluster.maxConnectionsPerHost, 7);
});

const EVERY_SECOND = { timeout: '1s', interval: '1s', unhealthyThreshold: 2, healthyThreshold: 2 };

const ASSIGNMENT = {
  clusterName: 'c',
  endpoints: [{ lbEndpoints: [{ endpoint: { address: { socketAddress: { address: 'a.test', portValue: 80 } } } }] }],
};
const refusals: [string, JsonValue, string][] = [
  [
    'a name where addresses stand',
    { name: 'c', loadAssignment: ASSIGNMENT },
    `cluster "c": load_assignment: "a.test" is no IP address; names are for STRICT_DNS and LOGICAL_DNS`,
  ],
  [
    'LOGICAL_DNS with two names',
    { name: 'c', type: 'LOGICAL_DNS', loadAssignment: { ...ASSIGNMENT, endpoints: [...ASSIGNMENT.endpoints, ...ASSIGNMENT.endpoints] } },
    `cluster "c": load_assignment: LOGICAL_DNS needs exactly one locality with one endpoint`,
  ],
  [
    'retries of look-ups that end before they begin',
    { name: 'c', type: 'STRICT_DNS', loadAssignment: ASSIGNMENT, dnsFailureRefreshRate: { baseInterval: '5s', maxInterval: '1s' } },
    `cluster "c": dns_failure_refresh_rate: max_interval must not be below base_interval`,
  ],
  [
    'ORIGINAL_DST with a policy of its own',
    { name: 'c', type: 'ORIGINAL_DST' },
    `cluster "c": lb_policy: must be CLUSTER_PROVIDED with ORIGINAL_DST`,
  ],
  [
    'CLUSTER_PROVIDED without a cluster that does',
    { name: 'c', lbPolicy: 'CLUSTER_PROVIDED' },
    `cluster "c": lb_policy: CLUSTER_PROVIDED is for ORIGINAL_DST only`,
  ],
  [
    'a header that is not used',
    { name: 'c', type: 'ORIGINAL_DST', lbPolicy: 'CLUSTER_PROVIDED', originalDstLbConfig: { httpHeaderName: 'x' } },
    `cluster "c": original_dst_lb_config.http_header_name: needs use_http_header`,
  ],
  [
    'the most requests of a connection twice',
    { name: 'c', maxRequestsPerConnection: 1, commonHttpProtocolOptions: { maxRequestsPerConnection: 2 } },
    `cluster "c": max_requests_per_connection: is set here and in common_http_protocol_options`,
  ],
  [
    'gRPC checks over HTTP/1.1',
    { name: 'c', healthChecks: [{ ...EVERY_SECOND, grpcHealthCheck: {} }] },
    `cluster "c": health_checks[0].grpc_health_check: needs HTTP/2`,
  ],
  [
    'ejections that end before they begin',
    { name: 'c', outlierDetection: { baseEjectionTime: '10s', maxEjectionTime: '5s' } },
    `cluster "c": outlier_detection.max_ejection_time: must not be below base_ejection_time`,
  ],
  [
    'weights of subsets without weights of localities',
    { name: 'c', lbSubsetConfig: { localityWeightAware: true, subsetSelectors: [{ keys: ['v'] }] } },
    `cluster "c": lb_subset_config.locality_weight_aware: needs locality_weighted_lb_config`,
  ],
  [
    'a port to come from',
    { name: 'c', upstreamBindConfig: { sourceAddress: { address: '127.0.0.1', portValue: 1 } } },
    `cluster "c": upstream_bind_config.source_address.port_value: a port of its own is not supported`,
  ],
  [
    'a socket bound to what is not there',
    { name: 'c', upstreamBindConfig: { freebind: true } },
    `cluster "c": upstream_bind_config.freebind: is not supported`,
  ],
  [
    'a health check by an extension',
    { name: 'c', healthChecks: [{ ...EVERY_SECOND, customHealthCheck: { name: 'envoy.health_checkers.redis' } }] },
    'cluster "c": health_checks[0].custom_health_check: is not supported',
  ],
  [
    'a health check payload that is not hexadecimal',
    { name: 'c', healthChecks: [{ ...EVERY_SECOND, tcpHealthCheck: { send: { text: 'PING' } } }] },
    'cluster "c": health_checks[0].tcp_health_check.send.text: must be bytes in hexadecimal digits',
  ],
  [
    'a subset that falls back to keys it does not have',
    {
      name: 'c',
      lbSubsetConfig: { subsetSelectors: [{ keys: ['version', 'stage'], fallbackPolicy: 'KEYS_SUBSET', fallbackKeysSubset: ['zone'] }] },
    },
    'cluster "c": lb_subset_config.subset_selectors[0].fallback_keys_subset: must be a part of keys, and smaller',
  ],
  [
    'a bound of hashing that nobody could keep',
    { name: 'c', lbPolicy: 'RING_HASH', commonLbConfig: { consistentHashingLbConfig: { hashBalanceFactor: 99 } } },
    'cluster "c": common_lb_config.consistent_hashing_lb_config.hash_balance_factor: must be at least 100',
  ],
  [
    'limits per host other than of connections',
    { name: 'c', circuitBreakers: { perHostThresholds: [{ maxConnections: 1, maxRequests: 2 }] } },
    'cluster "c": circuit_breakers.per_host_thresholds[0].max_requests: is not supported',
  ],
  [
    'a choice of override hosts by health',
    { name: 'c', commonLbConfig: { overrideHostStatus: { statuses: ['HEALTHY'] } } },
    'cluster "c": common_lb_config.override_host_status: is not supported',
  ],
  [
    'a share above the whole',
    { name: 'c', outlierDetection: { maxEjectionPercent: 101 } },
    'cluster "c": outlier_detection.max_ejection_percent: must be at most 100',
  ],
  [
    'EDS over REST',
    {
      name: 'c',
      type: 'EDS',
      edsClusterConfig: { edsConfig: { apiConfigSource: { apiType: 'REST', grpcServices: [{ envoyGrpc: { clusterName: 'x' } }] } } },
    },
    'cluster "c": eds_cluster_config.eds_config.api_config_source.api_type: must be GRPC or DELTA_GRPC',
  ],
  [
    'EDS of another version',
    { name: 'c', type: 'EDS', edsClusterConfig: { edsConfig: { path: '/x', resourceApiVersion: 'V2' } } },
    'cluster "c": eds_cluster_config.eds_config.resource_api_version: only V3 is supported',
  ],
  [
    'EDS by xdstp name',
    { name: 'c', type: 'EDS', edsClusterConfig: { serviceName: 'xdstp://a/b', edsConfig: { ads: {} } } },
    'cluster "c": eds_cluster_config.service_name: xdstp names are not supported',
  ],
  [
    'an address that is no socket address',
    {
      name: 'c',
      loadAssignment: {
        clusterName: 'c',
        endpoints: [{ lbEndpoints: [{ endpoint: { address: { envoyInternalAddress: { serverListenerName: 'x' } } } }] }],
      },
    },
    'cluster "c": load_assignment.endpoints[0].lb_endpoints[0].endpoint.address: envoyInternalAddress addresses are not supported',
  ],
];
for (const [name, json, reason] of refusals) {
  test(`refused: ${name}`, () => {
    const result = compiled(json);
    assert.ok(!result.ok);
    assert.deepEqual(result.error, [reason]);
  });
}

test('a cluster type by name finds hosts as the type does, and says itself how names are asked for', () => {
  const resolver = {
    name: 'cares',
    typedConfig: {
      '@type': `${TYPE}envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig`,
      resolvers: [{ socketAddress: { address: '127.0.0.1', portValue: 5353 } }],
    },
  };
  const dns = {
    '@type': `${TYPE}envoy.extensions.clusters.dns.v3.DnsCluster`,
    dnsRefreshRate: '7s',
    dnsJitter: '1s',
    dnsLookupFamily: 'ALL',
    allAddressesInSingleEndpoint: true,
    typedDnsResolverConfig: resolver,
  };
  const result = compiled({ name: 'c', clusterType: { name: 'envoy.cluster.dns', typedConfig: dns }, loadAssignment: ASSIGNMENT });
  assert.ok(result.ok);
  const { endpoints: _, ...discovery } = result.value.discovery as Extract<
    ClusterRuntime['discovery'],
    { kind: 'logical_dns' | 'strict_dns' }
  >;
  assert.deepEqual(discovery, {
    kind: 'logical_dns',
    refreshMs: 7000,
    failureRefresh: { baseMs: 7000, maxMs: 7000 },
    jitterMs: 1000,
    respectTtl: false,
    family: 'all',
    resolvers: ['127.0.0.1:5353'],
  });
  const strict = compiled({
    name: 'c',
    clusterType: { name: 'envoy.cluster.strict_dns' },
    loadAssignment: ASSIGNMENT,
    dnsResolvers: [{ socketAddress: { address: '::1', portValue: 53 } }],
  });
  assert.ok(strict.ok && strict.value.discovery.kind === 'strict_dns');
  assert.deepEqual(strict.value.discovery.resolvers, ['[::1]:53']);
});

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
