// `analyze`: Istio's analyzers over plain objects. Pure: what is known comes in as values.

import { compareFindings, type Finding, type KubeObjectLike, kindOfObject, validateResource } from '@lateen/api';
import { defaultMeshConfig, type EffectiveMeshConfig, parseMeshConfig } from '@lateen/api/mesh-config';
import { isObject, messageOf } from '@lateen/base';
import { analyzeAnnotations } from './annotations.ts';
import { Collector } from './collector.ts';
import { analyzeConditions } from './conditions.ts';
import { defaultGateway } from './default-gateway.ts';
import { analyzeDeprecatedFields } from './deprecations.ts';
import { analyzeServerVerification, analyzeSubsets } from './destination-rules.ts';
import { analyzeEnvoyFilters } from './envoy-filters.ts';
import { analyzeGatewayApiVersions } from './gateway-api-versions.ts';
import { analyzeGatewaySecrets } from './gateway-secrets.ts';
import { analyzeConflictingGateways, analyzeGatewayPorts, analyzeSharedCertificates } from './gateways.ts';
import { analyzeAutoImages, analyzeInjection, analyzeProxyImages } from './injection.ts';
import { analyzeMeshNetworks } from './mesh-networks.ts';
import { analyzeAuthorizationPolicies, analyzeKeyUrls } from './security-policies.ts';
import { analyzeServiceEntryAddresses, analyzeServiceEntryProtocols } from './service-entries.ts';
import { analyzeDeploymentServices, analyzePortNames, analyzeUserIds } from './services.ts';
import { withoutSuppressed } from './suppress.ts';
import { analyzeTelemetryProviders } from './telemetry-providers.ts';
import { analyzeClaimRouting, analyzeMeshHostConflicts } from './virtual-service-conflicts.ts';
import { analyzeDestinationHosts, analyzeDestinationSubsets, analyzeIngressSubsets } from './virtual-service-destinations.ts';
import { analyzeGatewayReferences } from './virtual-service-gateways.ts';
import { analyzeWaypointSelectors } from './waypoint-selectors.ts';
import { analyzeExternalControlPlane, analyzeWebhooks } from './webhooks.ts';
import { analyzeGatewaySelectors, analyzeSidecarSelectors, analyzeTelemetrySelectors } from './workload-selectors.ts';
import { type AnalyzedObject, World } from './world.ts';

export type AnalyzeInput = {
  /** Everything that is known; a later object replaces an earlier one of the same name. */
  objects: readonly AnalyzedObject[];
  /** Namespace of objects that name none. Default "default". */
  defaultNamespace?: string | undefined;
  /** Findings to leave out: "IST0102=Namespace default", names may hold "*". */
  suppress?: readonly string[] | undefined;
  /** Default: the ConfigMap istio among the objects, else Istio's defaults. */
  meshConfig?: EffectiveMeshConfig | undefined;
  /**
   * Whether to take the default ingress gateway for granted when the objects do not show one. Default true, for files alone;
   * say false when the objects are those of a cluster.
   */
  assumeIngressGateway?: boolean | undefined;
  /** Milliseconds since 1970, for expired certificates; without it none is. */
  now?: number | undefined;
};

/** All findings across the objects, worst first, each with object, field, file and line. Never throws for wrong objects. */
export function analyze(input: AnalyzeInput): Finding[] {
  const { defaultNamespace = 'default', suppress = [] } = input;
  const objects = uniqueObjects(
    input.objects.filter(({ object }) => isObject(object) && typeof object.kind === 'string' && typeof object.apiVersion === 'string'),
    defaultNamespace,
  );
  const mesh = input.meshConfig ?? meshConfigOf(objects);
  const options = { defaultNamespace, rootNamespace: mesh.rootNamespace };
  const given = new World(objects, options);
  const out = new Collector(given);
  validateAll(given, out);
  const world =
    (input.assumeIngressGateway ?? true) && !showsGateway(given)
      ? new World([...objects, ...defaultGateway(mesh.rootNamespace)], options)
      : given;
  for (const analyzer of analyzersFor(mesh, input.now)) {
    try {
      analyzer(world, out);
    } catch (error) {
      out.findings.push({ code: 'IST0001', level: 'error', path: '', message: `Internal error: ${analyzer.name}: ${messageOf(error)}` });
    }
  }
  return withoutSuppressed(out.findings, world, suppress).sort(compareFindings);
}

type Analyzer = (world: World, out: Collector) => void;

function analyzersFor(mesh: EffectiveMeshConfig, now: number | undefined): Analyzer[] {
  const metadata = mesh.defaultConfig.proxyMetadata ?? {};
  const dns = { capture: metadata.ISTIO_META_DNS_CAPTURE === 'true', autoAllocate: metadata.ISTIO_META_DNS_AUTO_ALLOCATE === 'true' };
  const { tracing, metrics, accessLogging } = mesh.defaultProviders ?? {};
  const providers = {
    hasDefaults: { tracing: Boolean(tracing?.length), metrics: Boolean(metrics?.length), accessLogging: Boolean(accessLogging?.length) },
    lightstep: mesh.extensionProviders.flatMap((provider) => (provider.lightstep && provider.name ? [provider.name] : [])),
  };
  return [
    analyzeDestinationHosts,
    analyzeDestinationSubsets,
    analyzeIngressSubsets,
    analyzeGatewayReferences,
    analyzeMeshHostConflicts,
    analyzeClaimRouting,
    analyzeGatewayPorts,
    analyzeConflictingGateways,
    analyzeSharedCertificates,
    (world, out) => analyzeGatewaySecrets(world, out, now),
    analyzeSubsets,
    analyzeServerVerification,
    analyzeWaypointSelectors,
    analyzeSidecarSelectors,
    analyzeTelemetrySelectors,
    analyzeGatewaySelectors,
    (world, out) => analyzeTelemetryProviders(world, out, providers),
    analyzePortNames,
    analyzeDeploymentServices,
    analyzeUserIds,
    (world, out) => analyzeServiceEntryAddresses(world, out, dns),
    analyzeServiceEntryProtocols,
    analyzeEnvoyFilters,
    analyzeAuthorizationPolicies,
    analyzeKeyUrls,
    analyzeInjection,
    analyzeProxyImages,
    analyzeAutoImages,
    analyzeWebhooks,
    analyzeExternalControlPlane,
    analyzeAnnotations,
    analyzeDeprecatedFields,
    analyzeConditions,
    analyzeGatewayApiVersions,
    analyzeMeshNetworks,
  ];
}

function validateAll(world: World, out: Collector): void {
  for (const { object } of world.objects) {
    if (!kindOfObject(object as KubeObjectLike)) continue;
    for (const finding of validateResource(object as KubeObjectLike)) out.addFinding(finding, object);
  }
}

// The later definition wins, as with `kubectl apply`.
function uniqueObjects(objects: readonly AnalyzedObject[], defaultNamespace: string): AnalyzedObject[] {
  const byKey = new Map<string, AnalyzedObject>();
  for (const entry of objects) {
    const { apiVersion, kind, metadata } = entry.object;
    const { name = '', namespace = defaultNamespace } = isObject(metadata) ? metadata : {};
    byKey.set(`${apiVersion.split('/')[0]}/${kind}/${String(namespace)}/${String(name)}`, entry);
  }
  return [...byKey.values()];
}

function meshConfigOf(objects: readonly AnalyzedObject[]): EffectiveMeshConfig {
  const map = objects.find(({ object }) => object.kind === 'ConfigMap' && object.metadata?.name === 'istio')?.object;
  const text = isObject(map?.data) ? map.data.mesh : undefined;
  return typeof text === 'string' ? parseMeshConfig(text).config : defaultMeshConfig();
}

const showsGateway = (world: World): boolean => world.workloads.some(({ labels }) => labels.istio === 'ingressgateway');
