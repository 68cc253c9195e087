// Reads MeshConfig as people write it (YAML or an object) and fills in Istio's defaults.

import { isObject } from '@lateen/base';
import { parse as parseYaml } from 'yaml';
import { compareFindings, type Finding } from '../findings/finding.ts';
import { Report } from '../findings/report.ts';
import { nodeOf } from '../schema/build.ts';
import { checkSchema } from '../schema/check.ts';
import { defaultMeshConfig, type EffectiveMeshConfig, type EffectiveProxyConfig } from './defaults.ts';
import { type MeshConfig, meshConfig } from './mesh-config.ts';
import { checkMeshConfig } from './mesh-config-rules.ts';
import { type ProxyConfigValues, proxyConfigValues } from './proxy-config.ts';

const MAX_YAML_CHARS = 1024 * 1024;
const RESOURCE = { kind: 'MeshConfig', name: 'mesh' };

/** `findings` with an error mean that `config` holds the defaults instead of the part that was wrong. */
export type ParsedMeshConfig = { config: EffectiveMeshConfig; findings: Finding[] };

/** MeshConfig from YAML text or a plain object, over `base` (default: Istio's defaults). Never throws. */
export function parseMeshConfig(input: unknown, base: EffectiveMeshConfig = defaultMeshConfig()): ParsedMeshConfig {
  const report = new Report(RESOURCE);
  const value = readInput(input, report);
  const typed = value !== undefined && checkSchema(nodeOf(meshConfig), value, { path: 'mesh', report });
  const config = typed ? mergeMeshConfig(base, value as MeshConfig) : base;
  if (typed) checkMeshConfig(config, report);
  return { config, findings: report.findings.sort(compareFindings) };
}

/** A proxy's settings over `base`: the annotation `proxy.istio.io/config` (YAML) over the mesh's defaultConfig. Never throws. */
export function parseProxyConfig(input: unknown, base: EffectiveProxyConfig): { config: EffectiveProxyConfig; findings: Finding[] } {
  const report = new Report({ kind: 'ProxyConfig', name: 'proxy.istio.io/config' });
  const value = readInput(input, report);
  const typed = value !== undefined && checkSchema(nodeOf(proxyConfigValues), value, { path: 'proxyConfig', report });
  const config = typed ? mergeProxyConfig(base, value as ProxyConfigValues) : base;
  return { config, findings: report.findings.sort(compareFindings) };
}

function readInput(input: unknown, report: Report): Record<string, unknown> | undefined {
  let value = input ?? {};
  if (typeof value === 'string') {
    if (value.length > MAX_YAML_CHARS) return void report.error('', `larger than ${MAX_YAML_CHARS} characters`);
    try {
      value = parseYaml(value, { maxAliasCount: 100 }) ?? {};
    } catch (error) {
      return void report.error('', `not valid YAML: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
    }
  }
  if (!isObject(value)) return void report.error('', 'must be an object');
  return value;
}

function mergeMeshConfig(base: EffectiveMeshConfig, over: MeshConfig): EffectiveMeshConfig {
  const given = dropNulls(over);
  return {
    ...base,
    ...given,
    defaultConfig: mergeProxyConfig(base.defaultConfig, given.defaultConfig ?? {}),
    outboundTrafficPolicy: { ...base.outboundTrafficPolicy, ...given.outboundTrafficPolicy },
    localityLbSetting: { ...base.localityLbSetting, ...given.localityLbSetting },
    trustDomainAliases: [...new Set([...base.trustDomainAliases, ...(given.trustDomainAliases ?? [])])],
    extensionProviders: mergeProviders(base.extensionProviders, given.extensionProviders ?? []),
  };
}

// Providers of the same name are replaced, others come behind the built-in ones.
function mergeProviders(base: EffectiveMeshConfig['extensionProviders'], over: EffectiveMeshConfig['extensionProviders']) {
  const names = new Set(over.map((provider) => provider.name));
  return [...base.filter((provider) => !names.has(provider.name)), ...over];
}

function mergeProxyConfig(base: EffectiveProxyConfig, over: ProxyConfigValues): EffectiveProxyConfig {
  const given = dropNulls(over);
  const merged: EffectiveProxyConfig = { ...base, ...given };
  if (base.proxyMetadata || given.proxyMetadata) merged.proxyMetadata = { ...base.proxyMetadata, ...given.proxyMetadata };
  // A oneof: naming the service replaces how it is derived, and the other way round.
  if (given.tracingServiceName) delete merged.serviceCluster;
  else if (given.serviceCluster) delete merged.tracingServiceName;
  return merged;
}

const dropNulls = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== null && inner !== undefined)) as T;
