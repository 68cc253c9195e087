// Who the proxy is and how it runs, from what the injector put into the istio-proxy container: arguments, variables, the
// downward API's files. Names and precedence are Istio's.

import { CodedError, ISTIO_VERSION, isObject, type JsonObject, messageOf, parseDuration, type SocketAddress } from '@lateen/base';
import { parse } from 'yaml';
import { type Probers, parseProbers } from './app-probes.ts';

export type PodInfo = { labels: Readonly<Record<string, string>>; annotations: Readonly<Record<string, string>> };

export type MetricsTarget = { readonly port: number; readonly path: string };

export type ProxyEnvironment = {
  readonly role: 'sidecar' | 'router';
  readonly node: { readonly id: string; readonly cluster: string; readonly metadata: JsonObject };
  readonly discoveryAddress: SocketAddress;
  /** The pod's own address. */
  readonly instanceIp: string;
  /** 15020 unless configured. */
  readonly statusPort: number;
  readonly adminPort: number;
  /** How long replaced listeners' connections may take to end. */
  readonly drainMs: number;
  /** How long the proxy drains before it exits. */
  readonly terminationDrainMs: number;
  /** Instead: drain for at least this long and until no connection is left. */
  readonly exitOnZeroConnections: { readonly minimumDrainMs: number } | undefined;
  readonly proxyLogLevel: string;
  readonly appProbers: Probers;
  /** Where the application's own metrics are; empty = none to merge. */
  readonly appMetrics: readonly MetricsTarget[];
};

const META = 'ISTIO_META_';
const META_JSON = 'ISTIO_METAJSON_';

/** @throws CodedError LAT4101 when something that must be there is missing or malformed. */
export function parseProxyEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  argv: readonly string[],
  podInfo: PodInfo,
): ProxyEnvironment {
  const { role, flags } = parseArguments(argv);
  const proxyConfig = parseProxyConfig(env.PROXY_CONFIG);
  const podName = required(env, 'POD_NAME');
  const namespace = required(env, 'POD_NAMESPACE');
  const instanceIp = required(env, 'INSTANCE_IP').split(',')[0] as string;
  const domain = flags.get('domain') || `${namespace}.svc.cluster.local`;
  const discovery = text(proxyConfig.discoveryAddress) || 'istiod.istio-system.svc:15012';
  const duration = (value: unknown, otherwiseMs: number, name: string): number => {
    if (value === undefined || value === '') return otherwiseMs;
    const parsed = parseDuration(String(value));
    if (!parsed.ok) throw malformed(name, parsed.error);
    return parsed.value;
  };
  const statusPort = Number(proxyConfig.statusPort || 15020);
  return {
    role,
    node: {
      id: `${role}~${instanceIp}~${podName}.${namespace}~${domain}`,
      cluster: serviceCluster(proxyConfig, podInfo.labels, namespace),
      metadata: nodeMetadata(env, { podInfo, proxyConfig, podName, namespace }),
    },
    discoveryAddress: hostPort(discovery, 'discoveryAddress'),
    instanceIp,
    statusPort,
    adminPort: Number(proxyConfig.proxyAdminPort || 15000),
    drainMs: duration(proxyConfig.drainDuration, 45_000, 'drainDuration'),
    terminationDrainMs: duration(
      env.TERMINATION_DRAIN_DURATION_SECONDS && `${env.TERMINATION_DRAIN_DURATION_SECONDS}s`,
      duration(proxyConfig.terminationDrainDuration, 5000, 'terminationDrainDuration'),
      'TERMINATION_DRAIN_DURATION_SECONDS',
    ),
    exitOnZeroConnections:
      env.EXIT_ON_ZERO_ACTIVE_CONNECTIONS === 'true'
        ? { minimumDrainMs: duration(env.MINIMUM_DRAIN_DURATION, 5000, 'MINIMUM_DRAIN_DURATION') }
        : undefined,
    proxyLogLevel: flags.get('proxyLogLevel') || 'warning',
    appProbers: parseProbers(env.ISTIO_KUBE_APP_PROBERS),
    // A gateway's port 15020 is open to strangers, and no application stands beside it.
    appMetrics: role === 'sidecar' ? parsePrometheus(env.ISTIO_PROMETHEUS_ANNOTATIONS, statusPort) : [],
  };
}

const malformed = (name: string, why: string) =>
  new CodedError({
    code: 'LAT4101',
    what: `the proxy's environment is malformed: ${name}`,
    why,
    fix: 'The injector sets it; compare the pod with `kubectl get pod -o yaml`.',
  });

function required(env: Readonly<Record<string, string | undefined>>, name: string): string {
  const value = env[name];
  if (!value) throw malformed(name, 'it is not set');
  return value;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** `proxy sidecar --domain X --proxyLogLevel=Y`, with whatever program name stands before. */
function parseArguments(argv: readonly string[]): { role: 'sidecar' | 'router'; flags: Map<string, string> } {
  const rest = argv.slice(argv.indexOf('proxy') + 1);
  const flags = new Map<string, string>();
  const words: string[] = [];
  for (let i = 0; i < rest.length; i++) {
    const word = rest[i] as string;
    if (!word.startsWith('--')) {
      words.push(word);
      continue;
    }
    const equals = word.indexOf('=');
    if (equals > 0) flags.set(word.slice(2, equals), word.slice(equals + 1));
    else if (rest[i + 1] !== undefined && !rest[i + 1]?.startsWith('--')) flags.set(word.slice(2), rest[++i] as string);
    else flags.set(word.slice(2), 'true');
  }
  const role = words[0] ?? 'sidecar';
  if (!argv.includes('proxy') || (role !== 'sidecar' && role !== 'router')) {
    throw malformed('arguments', `expected "proxy sidecar" or "proxy router", got ${JSON.stringify(argv.join(' ').slice(0, 200))}`);
  }
  return { role, flags };
}

function parseProxyConfig(source: string | undefined): JsonObject {
  if (!source) return {};
  try {
    const parsed: unknown = parse(source);
    if (parsed === null) return {};
    if (!isObject(parsed)) throw new Error('not an object');
    return parsed as JsonObject;
  } catch (error) {
    throw malformed('PROXY_CONFIG', messageOf(error));
  }
}

function hostPort(address: string, name: string): SocketAddress {
  const colon = address.lastIndexOf(':');
  const port = Number(address.slice(colon + 1));
  if (colon <= 0 || !Number.isInteger(port) || port < 1 || port > 65_535)
    throw malformed(name, `${JSON.stringify(address)} is not host:port`);
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port };
}

// Traces and statistics call the proxy by its application.
function serviceCluster(proxyConfig: JsonObject, labels: PodInfo['labels'], namespace: string): string {
  return text(proxyConfig.serviceCluster) || `${labels.app || labels['app.kubernetes.io/name'] || 'istio-proxy'}.${namespace}`;
}

type Pod = { podInfo: PodInfo; proxyConfig: JsonObject; podName: string; namespace: string };

function nodeMetadata(env: Readonly<Record<string, string | undefined>>, { podInfo, proxyConfig, podName, namespace }: Pod): JsonObject {
  const metadata: JsonObject = {
    NAME: podName,
    NAMESPACE: namespace,
    INSTANCE_IPS: env.INSTANCE_IP ?? '',
    ISTIO_VERSION,
    ENVOY_STATUS_PORT: 15021,
    ENVOY_PROMETHEUS_PORT: 15090,
    LABELS: { ...podInfo.labels },
    ANNOTATIONS: { ...podInfo.annotations },
    PROXY_CONFIG: proxyConfig,
    ...(env.SERVICE_ACCOUNT && { SERVICE_ACCOUNT: env.SERVICE_ACCOUNT }),
  };
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue;
    if (name.startsWith(META)) metadata[name.slice(META.length)] = value;
    if (name.startsWith(META_JSON)) mergeJson(metadata, name, value);
  }
  return metadata;
}

function mergeJson(metadata: JsonObject, name: string, value: string): void {
  try {
    const key = name.slice(META_JSON.length);
    const parsed = JSON.parse(value) as JsonObject;
    const known = metadata[key];
    metadata[key] = isObject(known) && isObject(parsed) ? { ...(known as JsonObject), ...parsed } : parsed;
  } catch (error) {
    throw malformed(name, messageOf(error));
  }
}

function parsePrometheus(source: string | undefined, statusPort: number): readonly MetricsTarget[] {
  if (!source) return [];
  try {
    type Target = { path?: string; port?: string };
    const { scrape, targets, ...only } = JSON.parse(source) as Target & { scrape?: string; targets?: Target[] };
    if (scrape !== 'true') return [];
    // Several come with the first of them in the older fields.
    return (targets && targets.length > 0 ? targets : [only]).map(({ port, path }) => {
      if (Number(port) === statusPort) throw new Error(`port ${statusPort} is the agent's own: each scrape would ask for the next`);
      return { port: Number(port || 80), path: path || '/metrics' };
    });
  } catch (error) {
    throw malformed('ISTIO_PROMETHEUS_ANNOTATIONS', messageOf(error));
  }
}

/** A file of the downward API: lines of `key="value"`, the value quoted as Go quotes. */
export function parseDownwardFile(content: string): Record<string, string> {
  const entries: [string, string][] = [];
  for (const line of content.split('\n')) {
    const equals = line.indexOf('=');
    if (equals < 0) continue;
    const quoted = line.slice(equals + 1);
    try {
      entries.push([line.slice(0, equals), quoted.startsWith('"') ? (JSON.parse(quoted) as string) : quoted]);
    } catch {
      // Go's \x and \a escapes are not JSON's; such a value is taken without its quotes.
      entries.push([line.slice(0, equals), quoted.replace(/^"|"$/g, '')]);
    }
  }
  return Object.fromEntries(entries);
}
