// Every code a finding can carry. IST codes, names and levels are Istio's, so that suppressions and dashboards keep working;
// codes that Istio retired, or that only a live cluster or an upgrade can raise, stay listed so that `doc CODE` can answer.

import type { FindingLevel } from './finding.ts';

export type CatalogueEntry = {
  code: string;
  name: string;
  level: FindingLevel;
  /** What it means, one sentence. */
  summary: string;
  /** Istio does not raise it any more. */
  retired?: true;
  /** Known, but Lateen does not look for it: it needs what a static look does not have, or is part of another code. */
  notRaised?: true;
};

type Entry = Omit<CatalogueEntry, 'code'>;

const error = (name: string, summary: string): Entry => ({ name, level: 'error', summary });
const warning = (name: string, summary: string): Entry => ({ name, level: 'warning', summary });
const info = (name: string, summary: string): Entry => ({ name, level: 'info', summary });
const retired = (entry: Entry): Entry => ({ ...entry, retired: true });
const notRaised = (entry: Entry): Entry => ({ ...entry, notRaised: true });

const ENTRIES: Readonly<Record<string, Entry>> = {
  IST0001: error('InternalError', 'The analyzer itself failed; this is a bug.'),
  IST0002: warning('Deprecated', 'A field or feature in use is deprecated.'),
  IST0101: error('ReferencedResourceNotFound', 'An object refers to another one that does not exist.'),
  IST0102: info('NamespaceNotInjected', 'A namespace says neither that it wants sidecars nor that it does not.'),
  IST0103: warning('PodMissingProxy', 'A pod in an injected namespace has no sidecar.'),
  IST0104: retired(warning('GatewayPortNotOnWorkload', 'Now IST0162.')),
  IST0105: retired(warning('IstioProxyImageMismatch', 'Now IST0158.')),
  IST0106: error('SchemaValidationError', 'A field is missing, unknown, of the wrong type or against the rules.'),
  IST0107: warning('MisplacedAnnotation', 'An annotation is on a kind of object that does not read it.'),
  IST0108: warning('UnknownAnnotation', 'An annotation in Istio’s domains is not known.'),
  IST0109: error('ConflictingMeshGatewayVirtualServiceHosts', 'Two VirtualServices for sidecars define the same host.'),
  IST0110: error('ConflictingSidecarWorkloadSelectors', 'Two Sidecars select the same pod.'),
  IST0111: error('MultipleSidecarsWithoutWorkloadSelectors', 'A namespace has several Sidecars without selector.'),
  IST0112: error('VirtualServiceDestinationPortSelectorRequired', 'A route names no port, and the service has several.'),
  IST0113: retired(error('MTLSPolicyConflict', 'Belonged to the alpha authentication API.')),
  IST0116: warning('DeploymentAssociatedToMultipleServices', 'Services give one port of a deployment different protocols.'),
  IST0118: info('PortNameIsNotUnderNamingConvention', 'A port name does not start with a protocol, so the protocol is detected.'),
  IST0119: retired(warning('JwtFailureDueToInvalidServicePortPrefix', 'Belonged to the alpha authentication API.')),
  IST0122: notRaised(warning('InvalidRegexp', 'An expression does not compile as RE2.')),
  IST0123: warning('NamespaceMultipleInjectionLabels', 'A namespace has both injection labels.'),
  IST0125: warning('InvalidAnnotation', 'The value of an annotation is invalid.'),
  IST0126: error('UnknownMeshNetworksServiceRegistry', 'meshNetworks names a registry that does not exist.'),
  IST0127: warning('NoMatchingWorkloadsFound', 'A selector matches no pod.'),
  IST0128: warning('NoServerCertificateVerificationDestinationLevel', 'TLS without CA certificates does not verify the server.'),
  IST0129: warning('NoServerCertificateVerificationPortLevel', 'TLS of a port without CA certificates does not verify the server.'),
  IST0130: warning('VirtualServiceUnreachableRule', 'An earlier rule takes every request of a rule.'),
  IST0131: info('VirtualServiceIneffectiveMatch', 'A match repeats or lies within an earlier one.'),
  IST0132: warning('VirtualServiceHostNotFoundInGateway', 'No server of the gateway serves a host of the VirtualService.'),
  IST0133: warning('SchemaWarning', 'The object is valid but questionable.'),
  IST0134: warning('ServiceEntryAddressesRequired', 'A TCP port needs an address to be told apart.'),
  IST0135: info('DeprecatedAnnotation', 'An annotation is deprecated.'),
  IST0136: notRaised(info('AlphaAnnotation', 'An annotation belongs to an alpha feature.')),
  IST0137: warning('DeploymentConflictingPorts', 'Services map one target port of a deployment to different ports.'),
  IST0138: warning('GatewayDuplicateCertificate', 'One certificate on several gateways breaks reuse of HTTP/2 connections.'),
  IST0139: error('InvalidWebhook', 'A webhook overlaps with another one or names a service that does not exist.'),
  IST0140: warning('IngressRouteRulesNotAffected', 'A subset route of the mesh has no effect on the ingress gateway.'),
  IST0141: notRaised(error('InsufficientPermissions', 'Rights to install are missing.')),
  IST0142: notRaised(error('UnsupportedKubernetesVersion', 'The Kubernetes version is too old.')),
  IST0143: notRaised(error('LocalhostListener', 'A port of a service listens on localhost only.')),
  IST0144: warning('InvalidApplicationUID', 'User 1337 belongs to the sidecar.'),
  IST0145: error('ConflictingGateways', 'Two gateways serve the same host and port of the same pods.'),
  IST0146: warning('ImageAutoWithoutInjectionWarning', 'A workload has image "auto" but is not injected.'),
  IST0147: error('ImageAutoWithoutInjectionError', 'A pod has image "auto" but is not injected.'),
  IST0148: info('NamespaceInjectionEnabledByDefault', 'A namespace is injected because that is the default.'),
  IST0149: error('JwtClaimBasedRoutingWithoutRequestAuthN', 'Routing by token claims needs a RequestAuthentication on the gateway.'),
  IST0150: warning('ExternalNameServiceTypeInvalidPortName', 'A port of an ExternalName service counts as TCP.'),
  IST0151: warning('EnvoyFilterUsesRelativeOperation', 'A patch relative to another filter needs a priority.'),
  IST0152: error('EnvoyFilterUsesReplaceOperationIncorrectly', 'REPLACE does not work on this kind of object.'),
  IST0153: error('EnvoyFilterUsesAddOperationIncorrectly', 'ADD does not work on this kind of object.'),
  IST0154: error('EnvoyFilterUsesRemoveOperationIncorrectly', 'REMOVE does not work on this kind of object.'),
  IST0155: warning('EnvoyFilterUsesRelativeOperationWithProxyVersion', 'A relative patch for one proxy version is lost by an upgrade.'),
  IST0156: notRaised(error('UnsupportedGatewayAPIVersion', 'The Gateway API CRDs are too old.')),
  IST0157: warning('InvalidTelemetryProvider', 'A Telemetry without provider is ignored.'),
  IST0158: warning('PodsIstioProxyImageMismatchInNamespace', 'Sidecars run another image than injection would give them.'),
  IST0159: error('ConflictingTelemetryWorkloadSelectors', 'Two Telemetries select the same pod.'),
  IST0160: error('MultipleTelemetriesWithoutWorkloadSelectors', 'A namespace has several Telemetries without selector.'),
  IST0161: error('InvalidGatewayCredential', 'The secret of a gateway holds no valid certificate and key.'),
  IST0162: warning('GatewayPortNotDefinedOnService', 'No service of the gateway pods exposes the port.'),
  IST0163: warning('InvalidExternalControlPlaneConfig', 'A webhook of an external control plane has an unusable address.'),
  IST0164: info('ExternalControlPlaneAddressIsNotAHostname', 'A webhook of an external control plane uses an IP address.'),
  IST0165: warning('ReferencedInternalGateway', 'A VirtualService names a gateway that is generated internally.'),
  IST0166: warning('IneffectiveSelector', 'A selector on the pods of a Kubernetes Gateway has no effect; use targetRefs.'),
  IST0167: warning('IneffectivePolicy', 'The policy has no effect where it is.'),
  IST0168: notRaised(warning('UnknownUpgradeCompatibility', 'A setting changed between releases.')),
  IST0169: notRaised(warning('UpdateIncompatibility', 'A setting in use changes its meaning with the upgrade.')),
  IST0170: notRaised(warning('MultiClusterInconsistentService', 'A service differs between clusters.')),
  IST0171: warning('NegativeConditionStatus', 'A condition of the object’s status is negative.'),
  IST0173: error('DestinationRuleSubsetNotSelectPods', 'A subset selects no pod.'),
  IST0174: warning('UnknownDestinationRuleHost', 'The host of a DestinationRule is no service.'),
  IST0175: warning('JwksUriFetchUnrestricted', 'Key URLs of RequestAuthentications may reach internal addresses.'),
  IST0176: warning('GatewayAPICRDVersionBelowMinimum', 'Gateway API CRDs are older than this version reads.'),
  IST0177: warning('ConflictingServiceEntryProtocol', 'ServiceEntries give one host and port different protocols.'),
  IST0178: warning(
    'UnsupportedDestinationRuleWorkloadSelector',
    'A waypoint ignores the DestinationRule, because it is for selected clients only.',
  ),
  LAT0001: error('LostIndentation', 'Fields of spec stand at the top level because the indentation was lost.'),
  LAT0002: error('UnknownField', 'A field does not exist.'),
  LAT0003: error('MisplacedField', 'A field exists, but elsewhere.'),
  LAT0004: error('UnknownKind', 'The kind or its version is not served.'),
  LAT0101: retired(warning('HostsDoNotIntersect', 'Now IST0132.')),
  LAT0102: warning('HostsPartlyServed', 'A VirtualService for every host is bound to a gateway that serves only some.'),
  LAT0201: warning(
    'DelegateNotUsable',
    'A rule delegates to a VirtualService that does not exist or has hosts of its own; the rule is left out.',
  ),
  LAT0202: warning('DelegateOutsideRoot', 'No match of a delegate’s rule lies within the root rule’s match; the rule is left out.'),
  LAT0203: warning('PortConflict', 'Two TCP services without an address share a port; the first one has it.'),
  LAT0204: warning('GatewayPortConflict', 'A gateway port serves HTTP already, so a TCP server on it has no effect.'),
  LAT0210: warning('NotSupportedYet', 'A kind, field or setting is accepted but has no effect in this version.'),
  LAT0211: warning('UpstreamTlsNotSupported', 'TLS towards a destination is not supported yet; connections stay plaintext.'),
  LAT0212: warning('AccessLogSettingNotSupported', 'A provider of the access log is not supported yet.'),
  LAT0213: warning(
    'GatewayServerNotSupported',
    'A protocol or TLS mode of a gateway’s server is not supported yet; its port stays closed.',
  ),
};

/** Every code, in order. */
export const CATALOGUE: readonly CatalogueEntry[] = Object.entries(ENTRIES).map(([code, entry]) => ({ code, ...entry }));

/** The entry of a code, or undefined for a code nobody knows. */
export function catalogueEntry(code: string): CatalogueEntry | undefined {
  return CATALOGUE.find((entry) => entry.code === code);
}
