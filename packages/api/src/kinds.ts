// The registry of Istio's kinds: names, versions, schema and rules of each. CRDs, validation and discovery read it.

import { wasmPluginSpec } from './extensions/wasm-plugin.ts';
import { checkWasmPlugin } from './extensions/wasm-plugin-rules.ts';
import type { Report } from './findings/report.ts';
import type { KubeObjectLike, Resource } from './kube-object.ts';
import { destinationRuleSpec } from './networking/destination-rule.ts';
import { checkDestinationRule } from './networking/destination-rule-rules.ts';
import { envoyFilterSpec } from './networking/envoy-filter.ts';
import { checkEnvoyFilter } from './networking/envoy-filter-rules.ts';
import { gatewaySpec } from './networking/gateway.ts';
import { checkGateway } from './networking/gateway-rules.ts';
import { proxyConfigSpec } from './networking/proxy-config.ts';
import { serviceEntrySpec } from './networking/service-entry.ts';
import { checkServiceEntry } from './networking/service-entry-rules.ts';
import { sidecarSpec } from './networking/sidecar.ts';
import { checkSidecar } from './networking/sidecar-rules.ts';
import { virtualServiceSpec } from './networking/virtual-service.ts';
import { checkVirtualService } from './networking/virtual-service-rules.ts';
import { workloadEntrySpec } from './networking/workload-entry.ts';
import { checkWorkloadEntry, checkWorkloadGroup } from './networking/workload-entry-rules.ts';
import { workloadGroupSpec } from './networking/workload-group.ts';
import { nodeOf, type Schema, type SchemaNode } from './schema/build.ts';
import { checkPeerAuthentication, checkRequestAuthentication } from './security/authentication-rules.ts';
import { authorizationPolicySpec } from './security/authorization-policy.ts';
import { checkAuthorizationPolicy } from './security/authorization-policy-rules.ts';
import { peerAuthenticationSpec } from './security/peer-authentication.ts';
import { requestAuthenticationSpec } from './security/request-authentication.ts';
import { telemetrySpec } from './telemetry/telemetry.ts';
import { checkTelemetry } from './telemetry/telemetry-rules.ts';
import { checkWorkloadSelector } from './validate/selectors.ts';

/** A column of `kubectl get`, besides NAME and AGE. */
export type PrinterColumn = { name: string; jsonPath: string; description: string };

export type KindInfo = {
  group: string;
  kind: string;
  plural: string;
  singular: string;
  shortNames: readonly string[];
  /** Served versions, the stored one first. All hold the same schema. */
  versions: readonly string[];
  namespaced: true;
  /** Schema of `spec`. */
  schema: SchemaNode;
  /** Whether an object without spec is refused by its schema. */
  specRequired: boolean;
  printerColumns: readonly PrinterColumn[];
  /** The kind's own rules, for an object whose types fit the schema; `validateResource` does both. */
  validate: (object: Resource<string, never>, report: Report) => void;
};

type Definition<Spec> = {
  kind: string;
  schema: Schema<Spec>;
  rules: (object: never, report: Report) => void;
  shortName?: string;
  plural?: string;
  versions?: readonly string[];
  specRequired?: true;
  columns?: readonly PrinterColumn[];
};

const NETWORKING_VERSIONS = ['v1', 'v1beta1', 'v1alpha3'];

function define<Spec>(group: string, definition: Definition<Spec>): KindInfo {
  const singular = definition.kind.toLowerCase();
  return {
    group,
    kind: definition.kind,
    plural: definition.plural ?? `${singular}s`,
    singular,
    shortNames: definition.shortName ? [definition.shortName] : [],
    versions: definition.versions ?? NETWORKING_VERSIONS,
    namespaced: true,
    schema: nodeOf(definition.schema),
    specRequired: definition.specRequired ?? false,
    printerColumns: definition.columns ?? [],
    validate: definition.rules as KindInfo['validate'],
  };
}

const column = (name: string, jsonPath: string, description: string): PrinterColumn => ({ name, jsonPath, description });

const NETWORKING = 'networking.istio.io';
const SECURITY = 'security.istio.io';

export const KINDS: readonly KindInfo[] = [
  define(NETWORKING, {
    kind: 'VirtualService',
    schema: virtualServiceSpec,
    rules: checkVirtualService,
    shortName: 'vs',
    columns: [
      column('Gateways', '.spec.gateways', 'Gateways and sidecars the routes apply to'),
      column('Hosts', '.spec.hosts', 'Hosts that are routed'),
    ],
  }),
  define(NETWORKING, {
    kind: 'DestinationRule',
    schema: destinationRuleSpec,
    rules: checkDestinationRule,
    shortName: 'dr',
    columns: [column('Host', '.spec.host', 'Host the rule is for')],
  }),
  define(NETWORKING, { kind: 'Gateway', schema: gatewaySpec, rules: checkGateway, shortName: 'gw' }),
  define(NETWORKING, {
    kind: 'ServiceEntry',
    plural: 'serviceentries',
    schema: serviceEntrySpec,
    rules: checkServiceEntry,
    shortName: 'se',
    specRequired: true,
    columns: [
      column('Hosts', '.spec.hosts', 'Hosts of the service'),
      column('Location', '.spec.location', 'Whether it is part of the mesh'),
      column('Resolution', '.spec.resolution', 'How its endpoints are found'),
    ],
  }),
  define(NETWORKING, { kind: 'Sidecar', schema: sidecarSpec, rules: checkSidecar }),
  define(NETWORKING, {
    kind: 'WorkloadEntry',
    plural: 'workloadentries',
    schema: workloadEntrySpec,
    rules: checkWorkloadEntry,
    shortName: 'we',
    specRequired: true,
    columns: [column('Address', '.spec.address', 'Address of the workload')],
  }),
  define(NETWORKING, { kind: 'WorkloadGroup', schema: workloadGroupSpec, rules: checkWorkloadGroup, shortName: 'wg', specRequired: true }),
  define(NETWORKING, { kind: 'EnvoyFilter', schema: envoyFilterSpec, rules: checkEnvoyFilter, versions: ['v1alpha3'] }),
  define(NETWORKING, {
    kind: 'ProxyConfig',
    schema: proxyConfigSpec,
    rules: ({ spec }: Resource<'ProxyConfig', { selector?: { matchLabels?: Record<string, string> } }>, report: Report) =>
      checkWorkloadSelector(spec.selector, 'spec.selector', report),
    versions: ['v1beta1'],
  }),
  define(SECURITY, {
    kind: 'PeerAuthentication',
    schema: peerAuthenticationSpec,
    rules: checkPeerAuthentication,
    shortName: 'pa',
    versions: ['v1', 'v1beta1'],
    columns: [column('Mode', '.spec.mtls.mode', 'Mutual TLS')],
  }),
  define(SECURITY, {
    kind: 'RequestAuthentication',
    schema: requestAuthenticationSpec,
    rules: checkRequestAuthentication,
    shortName: 'ra',
    versions: ['v1', 'v1beta1'],
  }),
  define(SECURITY, {
    kind: 'AuthorizationPolicy',
    plural: 'authorizationpolicies',
    schema: authorizationPolicySpec,
    rules: checkAuthorizationPolicy,
    shortName: 'ap',
    versions: ['v1', 'v1beta1'],
    columns: [column('Action', '.spec.action', 'What a match does')],
  }),
  define('telemetry.istio.io', {
    kind: 'Telemetry',
    plural: 'telemetries',
    schema: telemetrySpec,
    rules: checkTelemetry,
    shortName: 'telemetry',
    versions: ['v1', 'v1alpha1'],
  }),
  define('extensions.istio.io', {
    kind: 'WasmPlugin',
    schema: wasmPluginSpec,
    rules: checkWasmPlugin,
    versions: ['v1alpha1'],
    specRequired: true,
  }),
];

const byGroupKind = new Map(KINDS.map((info) => [`${info.group}/${info.kind}`, info]));

/** The kind of an API group, e.g. `kindOf('networking.istio.io', 'Gateway')`. */
export function kindOf(group: string, kind: string): KindInfo | undefined {
  return byGroupKind.get(`${group}/${kind}`);
}

/** The kind of an object by its apiVersion and kind, whatever the version. */
export function kindOfObject(object: KubeObjectLike): KindInfo | undefined {
  const { apiVersion, kind } = object;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') return undefined;
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? undefined : kindOf(apiVersion.slice(0, slash), kind);
}
