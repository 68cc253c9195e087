// Everything injection depends on besides the pod and its namespace, as one value.

import { CodedError, isObject } from '@lateen/base';
import type { LabelSelector } from '@lateen/kube/types';
import { DEFAULT_VALUES, overlayValues, type Values, valueAt } from './values.ts';

export type InjectionPolicy = 'enabled' | 'disabled';

export type InjectConfig = {
  policy: InjectionPolicy;
  /** Templates for pods that name none. */
  defaultTemplates: readonly string[];
  /** Name to Go template text; these stand before the built-in ones of the same name. */
  templates: Readonly<Record<string, string>>;
  aliases: Readonly<Record<string, readonly string[]>>;
  neverInjectSelector: readonly LabelSelector[];
  alwaysInjectSelector: readonly LabelSelector[];
  injectedAnnotations: Readonly<Record<string, string>>;
  /** Namespaces without any label are injected too. */
  enableNamespacesByDefault: boolean;
  /** Chart values over their defaults. */
  values: Values;
  /** MeshConfig as JSON; only what is set. */
  meshConfig: Values;
  /** The revision this injector serves; "" and "default" are the default one. */
  revision: string;
  /** Revision tags that point here; pods and namespaces may select them by istio.io/rev as well. */
  tags: readonly string[];
  /** istio-proxy becomes an init container with restartPolicy Always unless the pod says otherwise. */
  nativeSidecars: boolean;
  compliancePolicy: string;
  isOpenShift: boolean;
  /** Variables forced by the webhook's path, e.g. ISTIO_META_CLUSTER_ID. */
  proxyEnvs: Readonly<Record<string, string>>;
};

export type InjectConfigOptions = {
  /** Over the chart's defaults. */
  values?: Values;
  /** Over `values.meshConfig`. */
  meshConfig?: Values;
  /** Default: values.revision. */
  revision?: string;
  /** Default none. "default" makes this the default revision. */
  tags?: readonly string[];
  /** istiod's environment switches: ENABLE_NATIVE_SIDECARS, COMPLIANCE_POLICY, PLATFORM, PILOT_ENABLE_INBOUND_PASSTHROUGH. */
  env?: Record<string, string | undefined>;
  /** A parsed injector configuration (`--injectConfigFile`): policy, templates, selectors, injectedAnnotations. */
  injectConfig?: Values;
  proxyEnvs?: Record<string, string>;
};

const DEFAULT_MESH_CONFIG: Values = { trustDomain: 'cluster.local', enablePrometheusMerge: true, defaultConfig: {} };

/** @throws CodedError LAT2303 for an injector configuration of the wrong shape */
export function createInjectConfig(options: InjectConfigOptions = {}): InjectConfig {
  const values = overlayValues(DEFAULT_VALUES, options.values ?? {});
  const inValues = isObject(values['meshConfig']) ? values['meshConfig'] : {};
  const webhook = isObject(values['sidecarInjectorWebhook']) ? values['sidecarInjectorWebhook'] : {};
  const file = options.injectConfig ?? {};
  const env = options.env ?? {};
  const setting = (name: string): unknown => file[name] ?? webhook[name];
  const policy = file['policy'] ?? valueAt(values, 'global.proxy.autoInject');
  const defaultTemplates = stringList(setting('defaultTemplates'), 'defaultTemplates');
  return {
    policy: policy === 'disabled' ? 'disabled' : 'enabled',
    defaultTemplates: defaultTemplates.length > 0 ? defaultTemplates : ['sidecar'],
    templates: { ...stringMap(webhook['templates'], 'templates'), ...stringMap(file['templates'], 'templates') },
    aliases: aliasesOf(file['aliases']),
    neverInjectSelector: selectorList(setting('neverInjectSelector'), 'neverInjectSelector'),
    alwaysInjectSelector: selectorList(setting('alwaysInjectSelector'), 'alwaysInjectSelector'),
    injectedAnnotations: stringMap(setting('injectedAnnotations'), 'injectedAnnotations'),
    enableNamespacesByDefault: webhook['enableNamespacesByDefault'] === true,
    values,
    meshConfig: [inboundPolicyOf(env), inValues, options.meshConfig ?? {}].reduce(overlayValues, DEFAULT_MESH_CONFIG),
    revision: options.revision ?? String(values['revision'] ?? ''),
    tags: options.tags ?? [],
    nativeSidecars: env['ENABLE_NATIVE_SIDECARS'] === 'true',
    compliancePolicy: env['COMPLIANCE_POLICY'] ?? '',
    isOpenShift: env['PLATFORM'] === 'openshift',
    proxyEnvs: options.proxyEnvs ?? {},
  };
}

// The switch that MeshConfig.inboundTrafficPolicy replaced.
const inboundPolicyOf = (env: Record<string, string | undefined>): Values =>
  env['PILOT_ENABLE_INBOUND_PASSTHROUGH'] === 'false' ? { inboundTrafficPolicy: { mode: 'LOCALHOST' } } : {};

function wrongShape(name: string, expected: string): CodedError {
  return new CodedError({ code: 'LAT2303', what: `${name} of the injector configuration must be ${expected}` });
}

function stringList(value: unknown, name: string): string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw wrongShape(name, 'a list of names');
  return value.map(String);
}

function stringMap(value: unknown, name: string): Record<string, string> {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw wrongShape(name, 'a mapping of names to text');
  return Object.fromEntries(Object.entries(value).map(([key, text]) => [key, String(text ?? '')]));
}

function aliasesOf(value: unknown): Record<string, readonly string[]> {
  if (!isObject(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([name, list]) => [name, stringList(list, `aliases.${name}`)]));
}

function selectorList(value: unknown, name: string): LabelSelector[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || !value.every(isObject)) throw wrongShape(name, 'a list of label selectors');
  return value as LabelSelector[];
}
