// The part of the Istio chart's values that injection reads: the defaults, and how a user's values and --set paths lie over them.

import { CodedError, fail, ISTIO_VERSION, isObject, ok, type Result } from '@lateen/base';

export type Values = Record<string, unknown>;

/** Istio's chart defaults (feature census OP02 to OP04). */
export const DEFAULT_VALUES: Values = {
  revision: '',
  global: {
    hub: 'docker.io/istio',
    tag: ISTIO_VERSION,
    variant: '',
    istioNamespace: 'istio-system',
    imagePullPolicy: '',
    imagePullSecrets: [],
    caAddress: '',
    caName: '',
    pilotCertProvider: 'istiod',
    jwtPolicy: 'third-party-jwt',
    trustBundleName: '',
    logAsJson: false,
    logging: { level: 'default:info' },
    meshID: '',
    mountMtlsCerts: false,
    multiCluster: { clusterName: '' },
    nativeNftables: false,
    network: '',
    sds: { token: { aud: 'istio-ca' } },
    sts: { servicePort: 0 },
    proxy: {
      autoInject: 'enabled',
      clusterDomain: 'cluster.local',
      componentLogLevel: 'misc:error',
      excludeIPRanges: '',
      excludeInboundPorts: '',
      excludeOutboundPorts: '',
      holdApplicationUntilProxyStarts: false,
      image: 'proxyv2',
      includeIPRanges: '*',
      includeInboundPorts: '*',
      includeOutboundPorts: '',
      lifecycle: {},
      logLevel: 'warning',
      outlierLogPath: '',
      privileged: false,
      readinessFailureThreshold: 4,
      readinessInitialDelaySeconds: 0,
      readinessPeriodSeconds: 15,
      resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '2000m', memory: '1024Mi' } },
      startupProbe: { enabled: true, failureThreshold: 600 },
      statusPort: 15020,
      tracer: 'none',
    },
    proxy_init: { image: 'proxyv2', forceApplyIptables: false },
  },
  pilot: { cni: { enabled: false, provider: 'default' }, env: {} },
  gateways: { securityContext: {} },
  sidecarInjectorWebhook: {
    alwaysInjectSelector: [],
    neverInjectSelector: [],
    injectedAnnotations: {},
    enableNamespacesByDefault: false,
    rewriteAppHTTPProbe: true,
    defaultTemplates: [],
    templates: {},
  },
};

/** Lays values over others as Helm does: objects merge, null deletes, anything else replaces. */
export function overlayValues(base: Values, over: Values): Values {
  const merged: Values = { ...base };
  for (const [key, value] of Object.entries(over)) {
    if (key === '__proto__' || value === undefined) continue;
    const old = Object.hasOwn(merged, key) ? merged[key] : undefined;
    merged[key] = isObject(value) && isObject(old) ? overlayValues(old, value) : value;
  }
  return merged;
}

/** The value at a dotted path, or undefined. */
export function valueAt(values: Values, path: string): unknown {
  let value: unknown = values;
  for (const key of path.split('.')) {
    if (!isObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

/**
 * Parses one `--set` argument, "a.b[0].c=value", into a nested value. `\.` is a dot inside a key; true, false, null and integers
 * become what they look like; {a,b} is a list.
 */
export function parseSetFlag(flag: string): Result<Values> {
  const equals = flag.indexOf('=');
  if (equals <= 0) return fail(`--set ${JSON.stringify(flag.slice(0, 100))} must look like path=value`);
  const keys = (flag.slice(0, equals).match(/(?:\\.|[^.\\])+/g) ?? []).map((key) => key.replace(/\\(.)/g, '$1'));
  if (keys.length === 0 || keys.length > 50 || keys.some((key) => key === '__proto__'))
    return fail(`invalid path in --set ${JSON.stringify(flag.slice(0, 100))}`);
  let value: unknown = parseSetValue(flag.slice(equals + 1));
  for (const key of keys.reverse()) {
    const list = /^([^[\]]+)\[(\d{1,3})\]$/.exec(key);
    if (list) {
      const items: unknown[] = new Array(Number(list[2])).fill(null);
      items.push(value);
      value = { [list[1] as string]: items };
    } else value = { [key]: value };
  }
  return ok(value as Values);
}

function parseSetValue(text: string): unknown {
  if (text === 'true') return true;
  if (text === 'false') return false;
  if (text === 'null') return null;
  if (/^-?(0|[1-9]\d{0,14})$/.test(text)) return Number(text);
  if (text.startsWith('{') && text.endsWith('}'))
    return text
      .slice(1, -1)
      .split(',')
      .map((item) => parseSetValue(item.trim()));
  return text;
}

/** What `--set` and an IstioOperator spec address: chart values, MeshConfig and components. */
export type InstallOverlay = { values: Values; meshConfig: Values };

/**
 * Collects `--set` flags. Paths start with `values.`, `meshConfig.` or `components.`; others are chart values too.
 * @throws CodedError LAT2301
 */
export function parseSetFlags(flags: readonly string[]): InstallOverlay {
  let overlay: Values = {};
  for (const flag of flags) {
    const parsed = parseSetFlag(flag);
    if (!parsed.ok) throw new CodedError({ code: 'LAT2301', what: parsed.error, fix: 'e.g. --set values.global.proxy.logLevel=debug' });
    overlay = overlayValues(overlay, parsed.value);
  }
  return installOverlayOf(overlay);
}

const INSTALL_FIELDS = new Set([
  'values',
  'meshConfig',
  'components',
  'hub',
  'tag',
  'profile',
  'namespace',
  'revision',
  'compatibilityVersion',
]);

/** Splits an IstioOperator spec (or the tree of `--set` paths) into chart values and MeshConfig. */
export function installOverlayOf(spec: Values): InstallOverlay {
  let values = isObject(spec['values']) ? spec['values'] : {};
  for (const [key, value] of Object.entries(spec)) if (!INSTALL_FIELDS.has(key)) values = overlayValues(values, { [key]: value });
  for (const key of ['hub', 'tag']) if (spec[key] !== undefined) values = overlayValues({ global: { [key]: spec[key] } }, values);
  if (spec['revision'] !== undefined) values = overlayValues({ revision: spec['revision'] }, values);
  if (valueAt(spec, 'components.cni.enabled') === true) values = overlayValues({ pilot: { cni: { enabled: true } } }, values);
  // The CNI chart's own provider setting is what the injector needs too.
  const provider = valueAt(values, 'cni.provider');
  if (provider !== undefined) values = overlayValues(values, { pilot: { cni: { provider } } });
  const inValues = isObject(values['meshConfig']) ? values['meshConfig'] : {};
  return { values, meshConfig: overlayValues(inValues, isObject(spec['meshConfig']) ? spec['meshConfig'] : {}) };
}
