// Clusters: one for each visible service port and subset, one for each inbound port, and the special ones.

import { create } from '@bufbuild/protobuf';
import { type Cluster, Cluster_DiscoveryType, Cluster_DnsLookupFamily, Cluster_LbPolicy, ClusterSchema } from '@lateen/xds/messages/config';
import { configPathOf, type MeshService, type ServicePortModel, type Subset } from '../model/index.ts';
import { circuitBreakers, clusterPolicy } from './cluster-policy.ts';
import type { MergedDestinationRule } from './destination-rules.ts';
import { dnsLoadAssignment } from './endpoints.ts';
import { type InboundPort, inboundPorts } from './inbound-ports.ts';
import { BLACK_HOLE_CLUSTER, INBOUND_PASSTHROUGH_CLUSTER, inboundCluster, outboundCluster, PASSTHROUGH_CLUSTER } from './names.ts';
import { adsSource, durationOf, goDuration, type InitOf } from './pack.ts';
import { httpProtocolOptions, inboundHttp } from './protocol-options.ts';
import { clusterHttp1Options } from './proxy-headers.ts';
import { policyForPort, policyForSubset } from './traffic-policy.ts';
import type { View } from './view.ts';

type ClusterInit = InitOf<typeof ClusterSchema>;

/** Forwarded inbound connections leave from here, so that the capture rules let them pass to the application. */
const INBOUND_SOURCE = { sourceAddress: { address: '127.0.0.6', portSpecifier: { case: 'portValue' as const, value: 0 } } };

export function outboundClusters(view: View): Cluster[] {
  const clusters = view.services.flatMap((service) => serviceClusters(view, service));
  const blackHole = create(ClusterSchema, {
    name: BLACK_HOLE_CLUSTER,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    connectTimeout: connectTimeout(view),
  });
  return view.scope.type === 'router' ? [...clusters, blackHole] : [...clusters, blackHole, passthrough(view)];
}

export function inboundClusters(view: View): Cluster[] {
  return [...inboundPorts(view).map((port) => inboundClusterOf(view, port)), inboundPassthrough(view)];
}

function serviceClusters(view: View, service: MeshService): Cluster[] {
  const rules = view.destinationRuleFor(service);
  return service.ports
    .filter((port) => port.protocol !== 'UDP')
    .flatMap((port) => [
      outboundClusterOf(view, service, { port, rules, subset: undefined }),
      ...(rules?.subsets ?? []).map((subset) => outboundClusterOf(view, service, { port, rules, subset })),
    ]);
}

type Parts = { port: ServicePortModel; rules: MergedDestinationRule | undefined; subset: Subset | undefined };

function outboundClusterOf(view: View, service: MeshService, { port, rules, subset }: Parts): Cluster {
  const name = outboundCluster(service.hostname, port.port, subset?.name);
  const policy = policyForPort(policyForSubset(rules?.trafficPolicy, subset?.trafficPolicy), port.port);
  reportUnsupportedTls(view, rules, policy.tls?.mode);
  const init: ClusterInit = {
    name,
    ...clusterPolicy(view, policy, port.protocol),
    metadata: {
      filterMetadata: {
        istio: {
          default_original_port: port.port,
          services: [{ host: service.hostname, name: service.name, namespace: service.namespace }],
          ...(service.isMeshExternal && { external: true }),
          ...(subset && { subset: subset.name }),
          ...(rules && { config: configPathOf(rules.source) }),
        },
      },
    },
  };
  // A gateway terminates connections: there is no original destination to follow, so it balances over a headless service.
  const resolution = view.scope.type === 'router' && service.isHeadless ? 'eds' : service.resolution;
  const isOriginalDestination = resolution === 'passthrough' || policy.loadBalancer?.simple === 'PASSTHROUGH';
  if (isOriginalDestination) return create(ClusterSchema, { ...init, ...originalDestination() });
  if (resolution === 'eds') {
    return create(ClusterSchema, {
      ...init,
      clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
      edsClusterConfig: { edsConfig: adsSource(), serviceName: name },
    });
  }
  const type = resolution === 'dns' ? Cluster_DiscoveryType.STRICT_DNS : Cluster_DiscoveryType.LOGICAL_DNS;
  const dnsRefreshRate = goDuration(view.snapshot.mesh.dnsRefreshRate);
  return create(ClusterSchema, {
    ...init,
    clusterDiscoveryType: { case: 'type', value: type },
    dnsLookupFamily: Cluster_DnsLookupFamily.V4_ONLY,
    respectDnsTtl: true,
    ...(dnsRefreshRate && { dnsRefreshRate }),
    loadAssignment: dnsLoadAssignment(name, service, { port, labels: subset?.labels }),
  });
}

function inboundClusterOf(view: View, { targetPort, port, services }: InboundPort): Cluster {
  return create(ClusterSchema, {
    name: inboundCluster(targetPort),
    connectTimeout: connectTimeout(view),
    ...originalDestination(),
    circuitBreakers: circuitBreakers(undefined),
    ...httpProtocolOptions(inboundHttp(port.protocol), { http1: clusterHttp1Options(view.proxyHeaders, port.protocol) }),
    upstreamBindConfig: INBOUND_SOURCE,
    commonLbConfig: {},
    metadata: {
      filterMetadata: { istio: { services: services.map(({ hostname, name, namespace }) => ({ host: hostname, name, namespace })) } },
    },
  });
}

const passthrough = (view: View): Cluster =>
  create(ClusterSchema, {
    name: PASSTHROUGH_CLUSTER,
    connectTimeout: connectTimeout(view),
    ...originalDestination(),
    circuitBreakers: circuitBreakers(undefined),
    ...httpProtocolOptions('as-client', { http1: clusterHttp1Options(view.proxyHeaders, 'Sniffed') }),
  });

const inboundPassthrough = (view: View): Cluster =>
  create(ClusterSchema, {
    name: INBOUND_PASSTHROUGH_CLUSTER,
    connectTimeout: connectTimeout(view),
    ...originalDestination(),
    circuitBreakers: circuitBreakers(undefined),
    ...httpProtocolOptions('as-client', { http1: clusterHttp1Options(view.proxyHeaders, 'Sniffed') }),
    upstreamBindConfig: INBOUND_SOURCE,
  });

// What balances such a cluster is the connection itself; the policy and its parameters must not contradict that.
const originalDestination = (): ClusterInit => ({
  clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
  lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
  lbConfig: { case: undefined },
  commonLbConfig: {},
});

const connectTimeout = (view: View) => goDuration(view.snapshot.mesh.connectTimeout) ?? durationOf(10_000);

function reportUnsupportedTls(view: View, rules: MergedDestinationRule | undefined, mode: string | undefined): void {
  if (!rules || !mode || mode === 'DISABLE') return;
  const message = `TLS mode ${mode} towards ${rules.source.name} is not supported yet: connections stay plaintext`;
  if (view.findings.some((finding) => finding.message === message)) return;
  view.report({ code: 'LAT0211', level: 'warning', resource: rules.source, path: 'spec.trafficPolicy.tls.mode', message });
}
