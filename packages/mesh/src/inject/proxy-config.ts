// The ProxyConfig a pod gets: MeshConfig.defaultConfig, then its annotation proxy.istio.io/config; and its compact JSON form
// for the PROXY_CONFIG variable, without what is default anyway.

import { CodedError, isObject, jsonEqual, messageOf } from '@lateen/base';
import { parse } from 'yaml';
import { overlayValues, type Values } from './values.ts';

/** Defaults of mesh.istio.io ProxyConfig that do not need to be repeated to the proxy. */
const DEFAULTS: Values = {
  configPath: './etc/istio/proxy',
  binaryPath: '/usr/local/bin/envoy',
  serviceCluster: 'istio-proxy',
  drainDuration: '45s',
  terminationDrainDuration: '5s',
  parentShutdownDuration: '60s',
  discoveryAddress: 'istiod.istio-system.svc:15012',
  proxyAdminPort: 15000,
  controlPlaneAuthPolicy: 'MUTUAL_TLS',
  statNameLength: 189,
  statusPort: 15020,
  interceptionMode: 'REDIRECT',
};

// Field numbers of the proto decide the order of its JSON.
const FIELD_ORDER = [
  ...['configPath', 'binaryPath', 'serviceCluster', 'drainDuration', 'parentShutdownDuration', 'discoveryAddress', 'zipkinAddress'],
  ...['statsdUdpAddress', 'proxyAdminPort', 'controlPlaneAuthPolicy', 'customConfigFile', 'statNameLength', 'concurrency'],
  ...['proxyBootstrapTemplatePath', 'interceptionMode', 'tracing', 'envoyAccessLogService', 'envoyMetricsService', 'proxyMetadata'],
  ...['runtimeValues', 'statusPort', 'extraStatTags', 'gatewayTopology', 'terminationDrainDuration', 'meshId', 'readinessProbe'],
  ...[
    'proxyStatsMatcher',
    'holdApplicationUntilProxyStarts',
    'caCertificatesPem',
    'image',
    'privateKeyProvider',
    'proxyHeaders',
    'fileFlushInterval',
  ],
];

/** The pod's effective ProxyConfig, as JSON. @throws CodedError LAT2302 for an annotation that is no YAML mapping */
export function proxyConfigOf(meshConfig: Values, annotations: Record<string, string>): Values {
  const base = isObject(meshConfig['defaultConfig']) ? meshConfig['defaultConfig'] : {};
  const text = annotations['proxy.istio.io/config'];
  if (text === undefined) return base;
  let over: unknown;
  try {
    over = parse(text, { maxAliasCount: 20 });
  } catch (error) {
    throw annotationError(messageOf(error));
  }
  if (over === null) return base;
  if (!isObject(over)) throw annotationError('it is not a YAML mapping');
  return overlayValues(base, over);
}

const annotationError = (why: string): CodedError =>
  new CodedError({ code: 'LAT2302', what: 'the annotation proxy.istio.io/config is invalid', why });

/** Compact JSON for PROXY_CONFIG. */
export function formatProxyConfig(config: Values): string {
  const sorted: Values = {
    ...config,
    ...(isObject(config['proxyMetadata']) ? { proxyMetadata: Object.fromEntries(proxyMetadataOf(config)) } : {}),
  };
  const entries = Object.entries(sorted).filter(([key, value]) => {
    if (value === null || value === undefined || value === '' || jsonEqual(value, DEFAULTS[key])) return false;
    return !(key === 'proxyMetadata' && isObject(value) && Object.keys(value).length === 0);
  });
  const rank = (key: string): number => (FIELD_ORDER.includes(key) ? FIELD_ORDER.indexOf(key) : FIELD_ORDER.length);
  return JSON.stringify(Object.fromEntries(entries.sort(([a], [b]) => rank(a) - rank(b))));
}

export function statusPortOf(config: Values): number {
  const port = Number(config['statusPort'] ?? DEFAULTS['statusPort']);
  return Number.isInteger(port) ? port : 15020;
}

export const interceptionModeOf = (config: Values): string => String(config['interceptionMode'] ?? 'REDIRECT');

/** ProxyMetadata sorted by key, as Go ranges over a map. */
export function proxyMetadataOf(config: Values): [string, string][] {
  const metadata = isObject(config['proxyMetadata']) ? config['proxyMetadata'] : {};
  return Object.entries(metadata)
    .map(([key, value]): [string, string] => [key, String(value ?? '')])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
