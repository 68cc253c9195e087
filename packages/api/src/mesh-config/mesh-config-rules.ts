// Semantic rules of MeshConfig, after defaults.

import { parseDuration } from '@lateen/base';
import type { Report } from '../findings/report.ts';
import { checkLocalityLb } from '../networking/locality-lb-rules.ts';
import { checkClientTls } from '../networking/traffic-policy-rules.ts';
import { hostPortProblem, isDnsLabel, portProblem, wildcardDomainProblem } from '../validate/names.ts';
import type { EffectiveMeshConfig, EffectiveProxyConfig } from './defaults.ts';
import { type ExtensionProvider, PROVIDER_TYPES } from './extension-providers.ts';

const CURVES = ['P-256', 'P-384', 'P-521', 'X25519', 'X25519MLKEM768'];

export function checkMeshConfig(config: EffectiveMeshConfig, report: Report): void {
  report.check('proxyListenPort', portProblem(config.proxyListenPort));
  const connect = parseDuration(config.connectTimeout);
  if (connect.ok && connect.value > 3_600_000) report.error('connectTimeout', 'invalid connect timeout: must be at most 1h');
  checkProxyConfig(config.defaultConfig, 'defaultConfig', report);
  checkLocalityLb(config.localityLbSetting, '', { hasOutlierDetection: true, report });
  config.serviceSettings?.forEach((settings, i) => {
    settings.hosts?.forEach((host, h) => {
      report.check(`serviceSettings[${i}].hosts[${h}]`, wildcardDomainProblem(host));
    });
  });
  report.check('trustDomain', trustDomainProblem(config.trustDomain));
  config.trustDomainAliases.forEach((alias, i) => {
    report.check(`trustDomainAliases[${i}]`, trustDomainProblem(alias));
  });
  if (config.meshMTLS?.ecdhCurves) report.error('meshMTLS.ecdhCurves', 'mesh TLS does not support ECDH curves configuration');
  const unknown = config.tlsDefaults?.ecdhCurves?.filter((curve) => !CURVES.includes(curve)) ?? [];
  if (unknown.length > 0) report.warning('tlsDefaults.ecdhCurves', `detected unrecognized ECDH curves: [${unknown.join(' ')}]`);
  checkProviders(config.extensionProviders, report);
}

function trustDomainProblem(domain: string): string | undefined {
  if (domain === '') return 'empty domain name not allowed';
  const labels = domain.split('.');
  const bad = labels.find((label, i) => !isDnsLabel(label) && !(label === '' && i === labels.length - 1));
  return bad === undefined ? undefined : `trust domain name ${JSON.stringify(domain.slice(0, 200))} invalid`;
}

// An unusable provider is a warning: it does no harm until something names it.
function checkProviders(providers: readonly ExtensionProvider[], report: Report): void {
  const names = new Set<string>();
  providers.forEach((provider, i) => {
    const path = `extensionProviders[${i}]`;
    const name = provider.name ?? '';
    if (!name) report.warning(`${path}.name`, 'extension provider has no name');
    else if (names.has(name)) report.warning(`${path}.name`, `duplicate extension provider name ${name}`);
    names.add(name);
    const type = PROVIDER_TYPES.find((field) => Object.hasOwn(provider, field));
    if (type) checkProviderAddress((provider as Record<string, unknown>)[type] as ProviderAddress, `${path}.${type}`, report);
    else report.warning(path, `extension provider ${name} has no type: set one of ${PROVIDER_TYPES.join(', ')}`);
  });
}

type ProviderAddress = { service?: string; port?: number };

function checkProviderAddress({ service, port }: ProviderAddress, path: string, report: Report): void {
  const isAuthorizer = path.includes('.envoyExtAuthz');
  if (service === '' || (isAuthorizer && !service)) report.warning(`${path}.service`, 'service must not be empty');
  const problem = isAuthorizer || port !== undefined ? portProblem(port ?? 0) : undefined;
  if (problem) report.warning(`${path}.port`, problem);
}

/** Rules of a proxy's settings: ports, addresses, durations. */
export function checkProxyConfig(config: EffectiveProxyConfig, path: string, report: Report): void {
  const drain = parseDuration(config.drainDuration);
  if (drain.ok && drain.value % 1000 !== 0)
    report.error(`${path}.drainDuration`, 'drain time only supports durations to seconds precision');
  if (!config.discoveryAddress) report.error(`${path}.discoveryAddress`, 'discovery address must be set to the proxy discovery service');
  const addresses: Record<string, string | undefined> = {
    discoveryAddress: config.discoveryAddress,
    statsdUdpAddress: config.statsdUdpAddress,
    'envoyMetricsService.address': config.envoyMetricsService?.address,
    'envoyAccessLogService.address': config.envoyAccessLogService?.address,
    'tracing.zipkin.address': config.tracing?.zipkin?.address?.replace('$(HOST_IP)', '127.0.0.1'),
    'tracing.datadog.address': config.tracing?.datadog?.address?.replace('$(HOST_IP)', '127.0.0.1'),
  };
  for (const [field, address] of Object.entries(addresses)) if (address) report.check(`${path}.${field}`, hostPortProblem(address));
  checkClientTls(config.tracing?.tlsSettings, `${path}.tracing.tlsSettings`, report);
  report.check(`${path}.proxyAdminPort`, portProblem(config.proxyAdminPort));
  report.check(`${path}.statusPort`, portProblem(config.statusPort));
}
