// envoy.config.core.v3.ConfigSource: ADS, a gRPC stream of its own, or a file.

import {
  type ApiConfigSource,
  ApiConfigSourceSchema,
  ApiConfigSource_ApiType as ApiType,
  ApiVersion,
  type ConfigSource,
  ConfigSourceSchema,
  GrpcService_EnvoyGrpcSchema,
  GrpcServiceSchema,
  PathConfigSourceSchema,
} from '@lateen/xds/messages/proxy';
import type { ConfigSourceRuntime } from '../model.ts';
import { honours, type Report } from './report.ts';
import { durationMsOr } from './values.ts';

const check = honours(ConfigSourceSchema, [
  'pathConfigSource',
  'path',
  'apiConfigSource',
  'ads',
  'self',
  'initialFetchTimeout',
  'resourceApiVersion',
]);
const checkPath = honours(PathConfigSourceSchema, ['path', 'watchedDirectory']);
// The node goes out once per stream either way, and a request of a stream has no end that could time out.
const checkApi = honours(ApiConfigSourceSchema, [
  'apiType',
  'transportApiVersion',
  'grpcServices',
  'setNodeOnFirstMessageOnly',
  'requestTimeout',
]);
// Envoy uses the timeout for unary calls only.
const checkService = honours(GrpcServiceSchema, ['envoyGrpc', 'googleGrpc', 'timeout']);
const checkEnvoyGrpc = honours(GrpcService_EnvoyGrpcSchema, ['clusterName', 'maxReceiveMessageLength', 'skipEnvoyHeaders']);

const DEFAULT_FETCH_TIMEOUT_MS = 15_000;
const ADS: ConfigSourceRuntime = { kind: 'ads', initialFetchTimeoutMs: DEFAULT_FETCH_TIMEOUT_MS };

/** Undefined after its errors were reported. */
export function compileConfigSource(message: ConfigSource, report: Report): ConfigSourceRuntime | undefined {
  check(message, report);
  checkVersion(message.resourceApiVersion, report.at('resource_api_version'));
  const initialFetchTimeoutMs = durationMsOr(message.initialFetchTimeout, DEFAULT_FETCH_TIMEOUT_MS);
  const source = message.configSourceSpecifier;
  switch (source.case) {
    case 'ads':
    // The server that sent the resource with this reference: there is no other that sends more than one type.
    case 'self':
      return initialFetchTimeoutMs === DEFAULT_FETCH_TIMEOUT_MS ? ADS : { kind: 'ads', initialFetchTimeoutMs };
    case 'path':
      return pathSource(source.value, '', report.at('path'));
    case 'pathConfigSource': {
      const at = report.at('path_config_source');
      checkPath(source.value, at);
      return pathSource(source.value.path, source.value.watchedDirectory?.path ?? '', at.at('path'));
    }
    case 'apiConfigSource': {
      const target = compileApiSource(source.value, report.at('api_config_source'));
      return target && { kind: 'grpc', ...target, initialFetchTimeoutMs };
    }
    default:
      report.refuse('must be ads, api_config_source or path_config_source');
      return undefined;
  }
}

function pathSource(path: string, watchedDirectory: string, report: Report): ConfigSourceRuntime {
  if (path === '') report.refuse('must not be empty');
  return { kind: 'path', path, watchedDirectory };
}

function compileApiSource(message: ApiConfigSource, report: Report) {
  checkApi(message, report);
  checkVersion(message.transportApiVersion, report.at('transport_api_version'));
  const protocol = PROTOCOLS[message.apiType];
  if (!protocol) report.at('api_type').refuse('must be GRPC or DELTA_GRPC');
  const [service] = message.grpcServices;
  if (message.grpcServices.length !== 1 || service?.targetSpecifier.case !== 'envoyGrpc') {
    report.at('grpc_services').refuse('must be one envoy_grpc service');
    return undefined;
  }
  const at = report.at('grpc_services', 0);
  checkService(service, at);
  const grpc = service.targetSpecifier.value;
  checkEnvoyGrpc(grpc, at.at('envoy_grpc'));
  return protocol && { clusterName: grpc.clusterName, protocol };
}

const PROTOCOLS: Partial<Record<number, 'sotw' | 'delta'>> = { [ApiType.GRPC]: 'sotw', [ApiType.DELTA_GRPC]: 'delta' };

function checkVersion(version: ApiVersion, report: Report): void {
  if (version !== ApiVersion.AUTO && version !== ApiVersion.V3) report.refuse('only V3 is supported');
}

/** A resource that a listener or cluster names. */
export type ResourceReference = {
  /** In the maps of the runtime: the same name from two sources is two resources. */
  readonly key: string;
  readonly resourceName: string;
  readonly source: ConfigSourceRuntime;
};

/** `report` is that of the message that holds name and source. */
export function compileReference(
  resourceName: string,
  config: ConfigSource | undefined,
  { report, nameField, sourceField }: { report: Report; nameField: string; sourceField: string },
): ResourceReference {
  if (resourceName.startsWith('xdstp:')) report.at(nameField).refuse('xdstp names are not supported');
  if (!config) report.at(sourceField).refuse('is required');
  const source = (config && compileConfigSource(config, report.at(sourceField))) ?? ADS;
  return { key: resourceKey(source, resourceName), resourceName, source };
}

export function resourceKey(source: ConfigSourceRuntime, name: string): string {
  switch (source.kind) {
    case 'ads':
      return name;
    case 'grpc':
      return `grpc:${source.clusterName}:${name}`;
    case 'path':
      return `path:${source.path}:${name}`;
  }
}
