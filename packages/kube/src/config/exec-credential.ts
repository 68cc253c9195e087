// client.authentication.k8s.io exec plugins: a program that prints an ExecCredential (aws eks get-token, gke-gcloud-auth-plugin).

import { spawn } from 'node:child_process';
import { CodedError, isObject, messageOf } from '@lateen/base';
import type { ClusterConfig, ExecCredentialPlugin } from './cluster-config.ts';

export type ExecCredential = {
  token: string | undefined;
  certificate: { cert: string; key: string } | undefined;
  /** Milliseconds since the epoch; undefined: valid until refused. */
  expiresAtMs: number | undefined;
};

const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 1024 * 1024;

/** Runs the plugin without a terminal. @throws CodedError LAT2105 with what the plugin wrote to its standard error */
export async function runExecPlugin(
  plugin: ExecCredentialPlugin,
  config: ClusterConfig,
  env: Record<string, string | undefined>,
): Promise<ExecCredential> {
  const info = {
    apiVersion: plugin.apiVersion,
    kind: 'ExecCredential',
    spec: { interactive: false, ...(plugin.provideClusterInfo ? { cluster: clusterInfo(config) } : {}) },
  };
  const output = await runCommand(plugin, { ...env, ...plugin.env, KUBERNETES_EXEC_INFO: JSON.stringify(info) });
  return parseExecCredential(output, plugin);
}

function clusterInfo(config: ClusterConfig) {
  return {
    server: config.server,
    ...(config.ca ? { 'certificate-authority-data': Buffer.from(config.ca).toString('base64') } : {}),
    ...(config.tlsServerName ? { 'tls-server-name': config.tlsServerName } : {}),
    ...(config.insecureSkipTlsVerify ? { 'insecure-skip-tls-verify': true } : {}),
  };
}

function runCommand(plugin: ExecCredentialPlugin, env: Record<string, string | undefined>): Promise<string> {
  return new Promise((done, reject) => {
    const child = spawn(plugin.command, plugin.args, { env, stdio: ['ignore', 'pipe', 'pipe'], timeout: TIMEOUT_MS });
    let output = '';
    let complaint = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
      if (output.length > MAX_OUTPUT_BYTES) child.kill();
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      complaint = (complaint + chunk).slice(-2000);
    });
    child.on('error', (error) => reject(pluginError(plugin, messageOf(error))));
    child.on('close', (code, signal) => {
      if (code === 0) done(output);
      else reject(pluginError(plugin, complaint.trim() || `it ended with ${signal ?? `exit code ${code}`}`));
    });
  });
}

function parseExecCredential(output: string, plugin: ExecCredentialPlugin): ExecCredential {
  let credential: unknown;
  try {
    credential = JSON.parse(output);
  } catch {
    throw pluginError(plugin, 'its output is not JSON');
  }
  const status = isObject(credential) && isObject(credential['status']) ? credential['status'] : {};
  const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp } = status;
  const certificate = typeof cert === 'string' && typeof key === 'string' ? { cert, key } : undefined;
  if (typeof token !== 'string' && !certificate) throw pluginError(plugin, 'its output has neither a token nor a client certificate');
  const expiresAtMs = typeof expirationTimestamp === 'string' ? Date.parse(expirationTimestamp) : Number.NaN;
  return {
    token: typeof token === 'string' ? token : undefined,
    certificate,
    expiresAtMs: Number.isNaN(expiresAtMs) ? undefined : expiresAtMs,
  };
}

function pluginError(plugin: ExecCredentialPlugin, why: string): CodedError {
  return new CodedError({
    code: 'LAT2105',
    what: `the credential plugin ${JSON.stringify(plugin.command)} failed`,
    why,
    ...(plugin.installHint ? { fix: plugin.installHint } : {}),
  });
}
