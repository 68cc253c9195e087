// Istio's defaults of MeshConfig.

import type { MeshConfig } from './mesh-config.ts';
import type { ProxyConfigValues } from './proxy-config.ts';

type DefaultedProxyField =
  | 'discoveryAddress'
  | 'drainDuration'
  | 'terminationDrainDuration'
  | 'proxyAdminPort'
  | 'statusPort'
  | 'statNameLength'
  | 'interceptionMode'
  | 'controlPlaneAuthPolicy'
  | 'holdApplicationUntilProxyStarts';

type DefaultedField =
  | 'proxyListenPort'
  | 'proxyInboundListenPort'
  | 'connectTimeout'
  | 'protocolDetectionTimeout'
  | 'dnsRefreshRate'
  | 'ingressService'
  | 'ingressSelector'
  | 'ingressClass'
  | 'ingressControllerMode'
  | 'enableTracing'
  | 'accessLogFile'
  | 'accessLogFormat'
  | 'accessLogEncoding'
  | 'outboundTrafficPolicy'
  | 'enableAutoMtls'
  | 'trustDomain'
  | 'trustDomainAliases'
  | 'rootNamespace'
  | 'defaultServiceExportTo'
  | 'defaultVirtualServiceExportTo'
  | 'defaultDestinationRuleExportTo'
  | 'enablePrometheusMerge'
  | 'extensionProviders'
  | 'localityLbSetting'
  | 'h2UpgradePolicy'
  | 'discoverySelectors';

/** A proxy's settings with defaults. */
export type EffectiveProxyConfig = ProxyConfigValues & Required<Pick<ProxyConfigValues, DefaultedProxyField>>;

/** MeshConfig with every default filled in. */
export type EffectiveMeshConfig = Omit<MeshConfig, DefaultedField | 'defaultConfig'> &
  Required<Pick<MeshConfig, DefaultedField>> & { defaultConfig: EffectiveProxyConfig };

/** The defaults; a fresh value on every call. */
export function defaultMeshConfig(): EffectiveMeshConfig {
  return {
    proxyListenPort: 15001,
    proxyInboundListenPort: 15006,
    connectTimeout: '10s',
    protocolDetectionTimeout: '0s',
    dnsRefreshRate: '60s',
    ingressService: 'istio-ingressgateway',
    ingressSelector: 'ingressgateway',
    ingressClass: 'istio',
    ingressControllerMode: 'STRICT',
    enableTracing: true,
    accessLogFile: '',
    accessLogFormat: '',
    accessLogEncoding: 'TEXT',
    outboundTrafficPolicy: { mode: 'ALLOW_ANY' },
    enableAutoMtls: true,
    trustDomain: 'cluster.local',
    trustDomainAliases: [],
    rootNamespace: 'istio-system',
    defaultServiceExportTo: ['*'],
    defaultVirtualServiceExportTo: ['*'],
    defaultDestinationRuleExportTo: ['*'],
    enablePrometheusMerge: true,
    localityLbSetting: { enabled: true },
    h2UpgradePolicy: 'DO_NOT_UPGRADE',
    discoverySelectors: [],
    extensionProviders: [
      { name: 'prometheus', prometheus: {} },
      { name: 'stackdriver', stackdriver: {} },
      { name: 'envoy', envoyFileAccessLog: { path: '/dev/stdout' } },
    ],
    defaultConfig: {
      configPath: './etc/istio/proxy',
      binaryPath: '/usr/local/bin/envoy',
      serviceCluster: 'istio-proxy',
      discoveryAddress: 'istiod.istio-system.svc:15012',
      drainDuration: '45s',
      terminationDrainDuration: '5s',
      proxyAdminPort: 15000,
      statusPort: 15020,
      statNameLength: 189,
      interceptionMode: 'REDIRECT',
      controlPlaneAuthPolicy: 'MUTUAL_TLS',
      holdApplicationUntilProxyStarts: false,
    },
  };
}
