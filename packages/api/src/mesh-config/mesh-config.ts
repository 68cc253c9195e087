// MeshConfig: settings of the whole mesh, key `mesh` of the ConfigMap `istio`.

import { outboundTrafficPolicy } from '../networking/sidecar.ts';
import { localityLbSetting, tcpKeepalive, trafficPolicy } from '../networking/traffic-policy.ts';
import type { HTTPRetry } from '../networking/virtual-service.ts';
import { virtualServiceSpec } from '../networking/virtual-service.ts';
import { bool, choice, duration, int32, list, map, message, nodeOf, type Schema, type Static, struct, text } from '../schema/build.ts';
import { tlsVersion } from '../schema/shared.ts';
import { extensionProvider } from './extension-providers.ts';
import { proxyConfigValues } from './proxy-config.ts';

// The message is declared inside the route; MeshConfig reuses it as it stands.
const retries = nodeOf(virtualServiceSpec).properties?.http?.items?.properties?.retries as unknown as Schema<HTTPRetry>;

const labelSelector = message('A Kubernetes label selector.', {
  matchLabels: map('Labels that must be equal.', text()),
  matchExpressions: list(
    'Conditions.',
    message(
      'A condition.',
      {
        key: text('Label.'),
        operator: choice('How it is compared.', ['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: list('Values.', text()),
      },
      { required: ['key', 'operator'] },
    ),
  ),
});

const certificates = struct('Certificate of a DNS name; not used.');
const tlsConfig = message('Limits of TLS.', {
  minProtocolVersion: tlsVersion('Lowest version.'),
  ecdhCurves: list('Curves.', text()),
  cipherSuites: list('Cipher suites.', text()),
});
const exportTo = (what: string) => list(`Where ${what} without exportTo are visible; default "*".`, text());

export const meshConfig = message('Settings of the mesh.', {
  proxyListenPort: int32('Port of captured outbound traffic; default 15001.'),
  proxyInboundListenPort: int32('Port of captured inbound traffic; default 15006.'),
  proxyHttpPort: int32('Port of the HTTP proxy; 0 for none.'),
  connectTimeout: duration('Default time to connect; 10 s.'),
  tcpKeepalive,
  ingressClass: text('Class of Ingress objects; default istio.'),
  ingressService: text('Service of the gateway; default istio-ingressgateway.'),
  ingressSelector: text('Value of the label istio of the gateway pods; default ingressgateway.'),
  ingressControllerMode: choice('Which Ingress objects are read; default STRICT.', ['UNSPECIFIED', 'OFF', 'DEFAULT', 'STRICT']),
  enableTracing: bool('Traces on; default true.'),
  accessLogFile: text('File of the access log; default none.'),
  accessLogFormat: text('Format; default Istio’s.'),
  accessLogEncoding: choice('TEXT (default) or JSON.', ['TEXT', 'JSON']),
  enableEnvoyAccessLogService: bool('Send access logs to a service.'),
  disableEnvoyListenerLog: bool('No log of listener errors.'),
  defaultConfig: proxyConfigValues,
  outboundTrafficPolicy,
  configSources: list(
    'Where configuration comes from.',
    message('A source.', {
      address: text('Address.'),
      tlsSettings: struct('TLS.'),
      subscribedResources: list('Resources.', choice('', ['SERVICE_REGISTRY'])),
    }),
  ),
  enableAutoMtls: bool('Mutual TLS between sidecars without configuration; default true.'),
  trustDomain: text('Trust domain; default cluster.local.'),
  trustDomainAliases: list('Other names of it.', text()),
  caCertificates: list(
    'More root certificates.',
    message('One.', {
      pem: text('As text.'),
      spiffeBundleUrl: text('From a URL.'),
      certSigners: list('Signers it is for.', text()),
      trustDomains: list('Trust domains it is for.', text()),
    }),
  ),
  defaultServiceExportTo: exportTo('services'),
  defaultVirtualServiceExportTo: exportTo('VirtualServices'),
  defaultDestinationRuleExportTo: exportTo('DestinationRules'),
  rootNamespace: text('Namespace of mesh-wide objects; default istio-system.'),
  localityLbSetting,
  dnsRefreshRate: duration('Refresh of DNS clusters; default 60 s.'),
  inboundClusterStatName: text('Pattern of inbound statistics.'),
  outboundClusterStatName: text('Pattern of outbound statistics.'),
  certificates: list('Not used.', certificates),
  thriftConfig: struct('Not used.'),
  enablePrometheusMerge: bool('Merge the application’s metrics; default true.'),
  verifyCertificateAtClient: bool('Verify servers with the system’s roots by default.'),
  ca: message('A remote CA.', {
    address: text('host:port.'),
    tlsSettings: struct('TLS.'),
    requestTimeout: duration('Limit of a request.'),
    istiodSide: bool('Called by the control plane.'),
  }),
  extensionProviders: list('Authorizers, tracers and sinks.', extensionProvider),
  defaultProviders: message('Providers without a Telemetry.', {
    tracing: list('Tracers.', text()),
    metrics: list('Metric sinks.', text()),
    accessLogging: list('Log sinks.', text()),
  }),
  discoverySelectors: list('Namespaces the mesh sees; default all.', labelSelector),
  pathNormalization: message('Normalisation of paths.', {
    normalization: choice('Default BASE.', ['DEFAULT', 'NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES']),
  }),
  defaultHttpRetryPolicy: retries,
  defaultTrafficPolicy: trafficPolicy,
  meshMTLS: tlsConfig,
  tlsDefaults: tlsConfig,
  h2UpgradePolicy: choice('Upgrade HTTP/1.1 between sidecars.', ['DO_NOT_UPGRADE', 'UPGRADE']),
  protocolDetectionTimeout: duration('Time to detect the protocol; default 0s, no limit.', { minDurationMs: 0 }),
  hboneListenPort: int32('Port of HBONE; default 15008.'),
  serviceSettings: list(
    'Settings of services.',
    message('Settings of some hosts.', {
      settings: message('Settings.', { clusterLocal: bool('Endpoints of the own cluster only.') }),
      hosts: list('Hosts.', text()),
    }),
  ),
  serviceScopeConfigs: list(
    'Scope of services in several clusters.',
    message('Scope of some services.', {
      servicesSelector: labelSelector,
      namespacesSelector: labelSelector,
      namespaceSelector: labelSelector,
      scope: choice('Scope.', ['LOCAL', 'GLOBAL']),
    }),
  ),
});
/** MeshConfig as written; `EffectiveMeshConfig` has the defaults filled in. */
export type MeshConfig = Static<typeof meshConfig>;
