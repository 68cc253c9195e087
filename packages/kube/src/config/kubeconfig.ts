// kubeconfig files by kubectl's rules: --kubeconfig alone, else the list in KUBECONFIG merged (the first file that names
// something wins), else ~/.kube/config, else the service account of the pod we run in.

import { existsSync, readFileSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path';
import { CodedError, isObject, messageOf } from '@lateen/base';
import { parse } from 'yaml';
import type { ClusterConfig, Credentials } from './cluster-config.ts';

export type KubeconfigOptions = {
  /** KUBECONFIG, HOME and the in-cluster variables are read from it. */
  env: Record<string, string | undefined>;
  /** --kubeconfig. */
  path?: string;
  /** --context. */
  context?: string;
};

type Fields = Record<string, unknown>;
/** A named entry and the folder its relative paths start from. */
type Entry = { value: Fields; folder: string };
type Merged = { clusters: Map<string, Entry>; users: Map<string, Entry>; contexts: Map<string, Entry>; currentContext: string };

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

function configError(what: string, fix?: string): CodedError {
  return new CodedError({ code: 'LAT2104', what, ...(fix ? { fix } : {}) });
}

/** The cluster and credentials of the chosen context. @throws CodedError LAT2104 */
export function loadClusterConfig(options: KubeconfigOptions): ClusterConfig {
  const files = kubeconfigFiles(options);
  if (files.length === 0) {
    const inCluster = loadInClusterConfig(options.env);
    if (inCluster && !options.context) return inCluster;
    const named = options.env['KUBECONFIG'];
    throw configError(
      named ? `no kubeconfig was found: KUBECONFIG names ${named}, which does not exist` : 'no kubeconfig was found',
      'set KUBECONFIG, pass --kubeconfig, or start an embedded cluster with "lateen up"',
    );
  }
  return clusterConfigOf(mergeFiles(files), options.context);
}

function kubeconfigFiles({ env, path }: KubeconfigOptions): string[] {
  if (path !== undefined) return [path];
  const list = env['KUBECONFIG'] ? env['KUBECONFIG'].split(delimiter).filter(Boolean) : [join(env['HOME'] ?? '/', '.kube', 'config')];
  return list.filter((file) => existsSync(file));
}

function mergeFiles(files: string[]): Merged {
  const merged: Merged = { clusters: new Map(), users: new Map(), contexts: new Map(), currentContext: '' };
  for (const file of files) {
    const config = readConfig(file);
    const folder = dirname(resolve(file));
    addEntries(merged.clusters, config['clusters'], { inner: 'cluster', folder });
    addEntries(merged.users, config['users'], { inner: 'user', folder });
    addEntries(merged.contexts, config['contexts'], { inner: 'context', folder });
    if (merged.currentContext === '' && typeof config['current-context'] === 'string') merged.currentContext = config['current-context'];
  }
  return merged;
}

function readConfig(file: string): Fields {
  try {
    const config: unknown = parse(readFileSync(file, 'utf8'), { maxAliasCount: 100 });
    if (config === null) return {};
    if (isObject(config)) return config;
  } catch (error) {
    throw configError(`cannot read kubeconfig ${file}: ${messageOf(error)}`);
  }
  throw configError(`kubeconfig ${file} is not a YAML mapping`);
}

function addEntries(entries: Map<string, Entry>, list: unknown, { inner, folder }: { inner: string; folder: string }): void {
  if (!Array.isArray(list)) return;
  for (const item of list) {
    if (!isObject(item) || typeof item['name'] !== 'string' || entries.has(item['name'])) continue;
    entries.set(item['name'], { value: isObject(item[inner]) ? item[inner] : {}, folder });
  }
}

function clusterConfigOf(merged: Merged, wantedContext: string | undefined): ClusterConfig {
  const contextName = wantedContext ?? merged.currentContext;
  if (contextName === '')
    throw configError('the kubeconfig has no current-context', 'choose one with --context or "kubectl config use-context"');
  const context = merged.contexts.get(contextName);
  if (!context) {
    const known = [...merged.contexts.keys()].join(', ') || 'none';
    throw configError(`context ${JSON.stringify(contextName)} does not exist in the kubeconfig`, `known contexts: ${known}`);
  }
  const clusterName = text(context.value, 'cluster') ?? '';
  const cluster = merged.clusters.get(clusterName);
  if (!cluster) throw configError(`context ${JSON.stringify(contextName)} names the unknown cluster ${JSON.stringify(clusterName)}`);
  if (text(cluster.value, 'proxy-url')) throw configError(`cluster ${JSON.stringify(clusterName)} uses proxy-url, which is not supported`);
  const userName = text(context.value, 'user') ?? '';
  const user = merged.users.get(userName);
  if (!user && userName !== '')
    throw configError(`context ${JSON.stringify(contextName)} names the unknown user ${JSON.stringify(userName)}`);
  const ca = inlineOrFile(cluster, 'certificate-authority');
  const tlsServerName = text(cluster.value, 'tls-server-name');
  return {
    server: text(cluster.value, 'server') ?? 'http://localhost:8080',
    ...(ca === undefined ? {} : { ca }),
    ...(cluster.value['insecure-skip-tls-verify'] === true ? { insecureSkipTlsVerify: true } : {}),
    ...(tlsServerName === undefined ? {} : { tlsServerName }),
    credentials: user ? credentialsOf(user, userName) : { kind: 'none' },
    namespace: text(context.value, 'namespace') ?? 'default',
    description: `context ${contextName}`,
  };
}

function credentialsOf(user: Entry, name: string): Credentials {
  const { value, folder } = user;
  if (value['as'] !== undefined) throw configError(`user ${JSON.stringify(name)} uses impersonation ("as"), which is not supported`);
  if (value['auth-provider'] !== undefined) {
    throw configError(`user ${JSON.stringify(name)} uses auth-provider, which Kubernetes removed`, 'use an exec credential plugin');
  }
  const cert = inlineOrFile(user, 'client-certificate');
  const key = inlineOrFile(user, 'client-key');
  if (cert !== undefined && key !== undefined) return { kind: 'certificate', cert, key };
  const tokenFile = text(value, 'tokenFile');
  if (tokenFile) return { kind: 'tokenFile', path: resolve(folder, tokenFile) };
  const token = text(value, 'token');
  if (token) return { kind: 'token', token };
  if (isObject(value['exec'])) return { kind: 'exec', plugin: execPluginOf(value['exec'], user.folder, name) };
  const username = text(value, 'username');
  if (username) return { kind: 'basic', username, password: text(value, 'password') ?? '' };
  return { kind: 'none' };
}

function execPluginOf(exec: Fields, folder: string, user: string) {
  const command = text(exec, 'command');
  if (!command) throw configError(`user ${JSON.stringify(user)}: exec needs a command`);
  const env = Array.isArray(exec['env']) ? exec['env'].filter(isObject) : [];
  return {
    apiVersion: text(exec, 'apiVersion') ?? 'client.authentication.k8s.io/v1',
    // As kubectl: a bare name is looked up in PATH, a relative path starts at the kubeconfig's folder.
    command: /[\\/]/.test(command) && !isAbsolute(command) ? resolve(folder, command) : command,
    args: Array.isArray(exec['args']) ? exec['args'].map(String) : [],
    env: Object.fromEntries(env.map((one) => [String(one['name']), String(one['value'] ?? '')])),
    installHint: text(exec, 'installHint'),
    provideClusterInfo: exec['provideClusterInfo'] === true,
  };
}

// "X-data" holds base64 and wins over "X", a path.
function inlineOrFile({ value, folder }: Entry, field: string): string | undefined {
  const inline = text(value, `${field}-data`);
  if (inline) return Buffer.from(inline, 'base64').toString('utf8');
  const path = text(value, field);
  if (!path) return undefined;
  try {
    return readFileSync(resolve(folder, path), 'utf8');
  } catch (error) {
    throw configError(`cannot read ${field} of the kubeconfig: ${messageOf(error)}`);
  }
}

function text(fields: Fields, key: string): string | undefined {
  const value = fields[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The configuration from a pod's service account, or undefined outside a pod. `folder` is where kubelet mounts it. */
export function loadInClusterConfig(env: Record<string, string | undefined>, folder = SERVICE_ACCOUNT): ClusterConfig | undefined {
  const host = env['KUBERNETES_SERVICE_HOST'];
  const port = env['KUBERNETES_SERVICE_PORT'];
  if (!host || !port || !existsSync(join(folder, 'token'))) return undefined;
  const namespaceFile = join(folder, 'namespace');
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca: readFileSync(join(folder, 'ca.crt'), 'utf8'),
    credentials: { kind: 'tokenFile', path: join(folder, 'token') },
    namespace: existsSync(namespaceFile) ? readFileSync(namespaceFile, 'utf8').trim() : 'default',
    description: 'in-cluster',
  };
}
