// Reads an Envoy-shaped bootstrap: YAML or JSON, snake_case or camelCase, into what this proxy runs from.

import { create, type JsonValue, type MessageInitShape, type MessageShape, mergeFromJson, toJson } from '@bufbuild/protobuf';
import { CodedError, messageOf, type SocketAddress } from '@lateen/base';
import {
  type Bootstrap,
  type Bootstrap_DynamicResources,
  Bootstrap_DynamicResourcesSchema,
  Bootstrap_StaticResourcesSchema,
  BootstrapSchema,
} from '@lateen/xds/messages/admin';
import {
  type ApiConfigSource,
  ApiConfigSource_ApiType as ApiType,
  type Cluster,
  type ConfigSource,
  type Listener,
  type Node,
  type Secret,
} from '@lateen/xds/messages/proxy';
import { compileConfigSource } from '../runtime/compile/config-source.ts';
import { compileResolvers } from '../runtime/compile/dns-resolvers.ts';
import { checkFieldRules } from '../runtime/compile/field-rules.ts';
import { createReport, honours, type Report } from '../runtime/compile/report.ts';
import { socketAddressOf } from '../runtime/compile/values.ts';
import type { ConfigSourceRuntime } from '../runtime/model.ts';
import { messageFromText } from './message-text.ts';
import { compileOperations, type Operations } from './operations.ts';
import { packMessage } from './packed-message.ts';
import { lenientRegistry } from './registry.ts';

/** From `parseBootstrap`, the messages are decoded where they are asked for. */
export type BootstrapSettings = Operations & {
  /** As told to /config_dump. */
  readonly message: MessageInitShape<typeof BootstrapSchema>;
  readonly node: Node | undefined;
  /** The cluster of this proxy's peers, for zone-aware balancing; empty: none. */
  readonly localClusterName?: string;
  /** "ip:port" of the servers that resolve names; empty: the system's. */
  readonly nameServers?: readonly string[];
  /** Where ejections of hosts are logged; empty: nowhere. */
  readonly outlierLogPath?: string;
  /** Undefined: no admin interface. */
  readonly admin: SocketAddress | undefined;
  readonly clusters: readonly Cluster[];
  readonly listeners: readonly Listener[];
  /** Named by `name` alone, without an SDS source. */
  readonly secrets?: readonly Secret[];
  /** Where listeners and clusters that are not static come from; those from ADS need `ads`. */
  readonly sources: DynamicSources;
  /** Where ADS is; undefined without. `host` may be a name. */
  readonly ads: { readonly address: SocketAddress; readonly protocol: 'delta' | 'sotw'; readonly clusterName: string } | undefined;
};

export type DynamicSources = { readonly cluster?: ConfigSourceRuntime; readonly listener?: ConfigSourceRuntime };

// Accepted without effect: they tune what this proxy does not have (threads, resolvers).
const WITHOUT_EFFECT = [
  'nodeContextParams',
  'flagsPath',
  'clusterManager',
  'hdsConfig',
  'watchdog',
  'watchdogs',
  'enableDispatcherStats',
  'statsServerVersionOverride',
  'useTcpForDnsLookups',
  'bootstrapExtensions',
  'fatalActions',
  'defaultRegexEngine',
  'applicationLogConfig',
];
const check = honours(BootstrapSchema, [
  'node',
  'staticResources',
  'dynamicResources',
  'admin',
  'statsConfig',
  'statsSinks',
  'statsFlushInterval',
  'statsFlushOnAdmin',
  'layeredRuntime',
  'overloadManager',
  'dnsResolutionConfig',
  'typedDnsResolverConfig',
  ...WITHOUT_EFFECT,
]);
const checkStatic = honours(Bootstrap_StaticResourcesSchema, ['listeners', 'clusters', 'secrets']);
const checkDynamic = honours(Bootstrap_DynamicResourcesSchema, ['ldsConfig', 'cdsConfig', 'adsConfig']);

/** What a command line says beside the file. */
export type BootstrapOverrides = {
  /** YAML or JSON, merged into the bootstrap as protocol buffers merge: lists are joined, other values replaced. */
  readonly overlay?: string | undefined;
  readonly nodeId?: string | undefined;
  readonly nodeCluster?: string | undefined;
  readonly nodeZone?: string | undefined;
};

/**
 * Parses and checks a bootstrap; `origin` names it in messages.
 * @throws CodedError LAT4001 with every reason.
 */
export function parseBootstrap(text: string, origin: string, overrides: BootstrapOverrides = {}): BootstrapSettings {
  let message: MessageShape<typeof BootstrapSchema>;
  try {
    message = messageFromText(BootstrapSchema, text) ?? create(BootstrapSchema);
  } catch (error) {
    throw refusal(origin, messageOf(error), error);
  }
  try {
    const overlay = messageFromText(BootstrapSchema, overrides.overlay ?? '');
    const options = { registry: lenientRegistry() };
    if (overlay) mergeFromJson(BootstrapSchema, message, toJson(BootstrapSchema, overlay, options), options);
  } catch (error) {
    throw refusal('the text merged into it', messageOf(error), error);
  }
  mergeFromJson(BootstrapSchema, message, { node: named(overrides) });
  return readBootstrap(message, origin);
}

const named = ({ nodeId, nodeCluster, nodeZone }: BootstrapOverrides): JsonValue => ({
  ...(nodeId && { id: nodeId }),
  ...(nodeCluster && { cluster: nodeCluster }),
  ...(nodeZone && { locality: { zone: nodeZone } }),
});

/** The same for a bootstrap that is a message already. @throws CodedError LAT4001 with every reason. */
export function readBootstrap(message: Bootstrap, origin: string): BootstrapSettings {
  const { report, reasons } = createReport('bootstrap');
  // Static resources are checked one by one when they are added.
  const { staticResources: _resources, ...rest } = message;
  checkFieldRules(BootstrapSchema, rest, report);
  const settings = settingsOf(message, report);
  if (reasons.length > 0) throw refusal(origin, reasons.join('\n'));
  return settings;
}

const refusal = (origin: string, why: string, cause?: unknown): CodedError =>
  new CodedError({
    code: 'LAT4001',
    what: `${origin} is not a bootstrap that this proxy can run`,
    why,
    fix: "Correct the fields named above; the format is Envoy's config.bootstrap.v3.Bootstrap.",
    cause,
  });

function settingsOf(message: Bootstrap, report: Report): BootstrapSettings {
  check(message, report);
  const resources = message.staticResources;
  if (resources) checkStatic(resources, report.at('static_resources'));
  const admin = message.admin?.address;
  const whole = packMessage(BootstrapSchema, message);
  return {
    ...compileOperations(message, report),
    get message() {
      return whole();
    },
    node: message.node,
    localClusterName: message.clusterManager?.localClusterName ?? '',
    nameServers: compileResolvers(message, report),
    outlierLogPath: message.clusterManager?.outlierDetection?.eventLogPath ?? '',
    admin: admin && socketAddressOf(admin, report.at('admin').at('address')),
    get clusters() {
      return whole().staticResources?.clusters ?? [];
    },
    get listeners() {
      return whole().staticResources?.listeners ?? [];
    },
    get secrets() {
      return whole().staticResources?.secrets ?? [];
    },
    sources: sourcesOf(message.dynamicResources, report.at('dynamic_resources')),
    ads: adsOf(message, report.at('dynamic_resources')),
  };
}

function sourcesOf(dynamic: Bootstrap_DynamicResources | undefined, report: Report): DynamicSources {
  if (!dynamic) return {};
  checkDynamic(dynamic, report);
  const sourceOf = (config: ConfigSource | undefined, field: string) => {
    const source = config && compileConfigSource(config, report.at(field));
    if (source?.kind === 'ads' && !dynamic.adsConfig) report.at('ads_config').refuse(`is required by ${field}`);
    return source;
  };
  const cluster = sourceOf(dynamic.cdsConfig, 'cds_config');
  const listener = sourceOf(dynamic.ldsConfig, 'lds_config');
  return { ...(cluster && { cluster }), ...(listener && { listener }) };
}

function adsOf(message: Bootstrap, report: Report): BootstrapSettings['ads'] {
  const source = message.dynamicResources?.adsConfig;
  if (!source) return undefined;
  const at = report.at('ads_config');
  const protocol = PROTOCOLS[source.apiType];
  if (!protocol) at.at('api_type').refuse('must be GRPC or DELTA_GRPC');
  const target = targetOf(source, { clusters: message.staticResources?.clusters ?? [] }, at);
  return target && { ...target, protocol: protocol ?? 'sotw' };
}

const PROTOCOLS: Partial<Record<number, 'delta' | 'sotw'>> = {
  [ApiType.GRPC]: 'sotw',
  [ApiType.DELTA_GRPC]: 'delta',
  [ApiType.AGGREGATED_GRPC]: 'sotw',
  [ApiType.AGGREGATED_DELTA_GRPC]: 'delta',
};

/** Whether nothing but TCP lies between this proxy and the cluster. */
export const isPlaintext = ({ transportSocket }: Cluster): boolean =>
  !transportSocket || transportSocket.configType.value?.typeUrl.endsWith('.raw_buffer.v3.RawBuffer') === true;

function targetOf(source: ApiConfigSource, { clusters }: { clusters: readonly Cluster[] }, report: Report) {
  const service = source.grpcServices[0];
  const at = report.at('grpc_services', 0);
  if (source.grpcServices.length !== 1 || service?.targetSpecifier.case !== 'envoyGrpc') {
    report.at('grpc_services').refuse('must be one envoy_grpc service');
    return undefined;
  }
  const { clusterName } = service.targetSpecifier.value;
  const cluster = clusters.find(({ name }) => name === clusterName);
  const endpoint = cluster?.loadAssignment?.endpoints[0]?.lbEndpoints[0]?.hostIdentifier;
  if (!cluster || endpoint?.case !== 'endpoint') {
    at.at('envoy_grpc')
      .at('cluster_name')
      .refuse(`${JSON.stringify(clusterName)} is not a static cluster with an endpoint`);
    return undefined;
  }
  if (!isPlaintext(cluster)) {
    at.at('envoy_grpc')
      .at('cluster_name')
      .refuse(`${JSON.stringify(clusterName)} has a transport_socket: TLS to the management server is not supported`);
  }
  const address = socketAddressOf(endpoint.value.address, at.at('envoy_grpc').at('cluster_name'));
  return address && { address, clusterName };
}
