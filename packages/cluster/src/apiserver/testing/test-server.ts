// For tests: an API server on a loopback port with its own CA, and kubectl pointed at it with a home of its own.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createKubeClient, type KubeClient } from '@lateen/kube';
import { type CertificateAuthority, createCertificateAuthority } from '@lateen/pki';
import type { NodeApi } from '../../contracts.ts';
import { createStore, type Store } from '../../store/index.ts';
import { type ApiServer, type ApiServerOptions, createApiServer } from '../api-server.ts';
import { renderKubeconfig } from '../kubeconfig.ts';

export type KubectlResult = { code: number; stdout: string; stderr: string };
export type TestServer = {
  server: ApiServer;
  store: Store;
  client: KubeClient;
  ca: CertificateAuthority;
  port: number;
  url: string;
  /** Runs kubectl with these arguments; `input` is its standard input. */
  kubectl(
    args: string,
    options?: { input?: string | object; signal?: AbortSignal; onStdout?: (text: string) => void; env?: Record<string, string> },
  ): Promise<KubectlResult>;
  kubeconfigPath: string;
};

const KUBECTL = '/usr/bin/kubectl';
/** The reason to skip tests that need kubectl, or false. */
export const noKubectl = existsSync(KUBECTL) ? false : 'kubectl is not installed';

const NO_NODE: NodeApi = {
  logs: () => Promise.reject(new Error('there is no node')),
  exec: () => Promise.reject(new Error('there is no node')),
  attach: () => Promise.reject(new Error('there is no node')),
  portForward: () => Promise.reject(new Error('there is no node')),
};

/** Everything ends with the test. */
export async function startTestServer(
  t: TestContext | { after(end: () => unknown): void },
  options: Partial<ApiServerOptions> = {},
): Promise<TestServer> {
  const ca = createCertificateAuthority();
  const serving = ca.issueServer(['127.0.0.1', 'localhost']);
  const admin = ca.issueClient('admin', ['system:masters']);
  const store = options.store ?? createStore();
  const server = createApiServer({
    store,
    ca: ca.rootPem,
    cert: serving.certPem,
    key: serving.keyPem,
    adminTokens: ['secret-token'],
    nodeApi: NO_NODE,
    dialService: () => Promise.reject(new Error('there are no services')),
    ...options,
  });
  const listener = createServer((socket) => server.acceptConnection(socket));
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  const url = `https://127.0.0.1:${port}`;
  const home = mkdtempSync(join(tmpdir(), 'lateen-apiserver-'));
  const kubeconfigPath = join(home, 'config');
  writeFileSync(
    kubeconfigPath,
    renderKubeconfig({ server: url, ca: ca.rootPem, clientCertificate: admin.certPem, clientKey: admin.keyPem }),
    { mode: 0o600 },
  );
  t.after(async () => {
    await server.close();
    await new Promise((resolve) => listener.close(resolve));
    store.close();
    rmSync(home, { recursive: true, force: true });
  });
  const client = createKubeClient(server.transport);
  const kubectl: TestServer['kubectl'] = (args, run = {}) =>
    new Promise((resolve, reject) => {
      const child = spawn(KUBECTL, splitArgs(args), {
        env: { HOME: home, KUBECONFIG: kubeconfigPath, KUBECACHEDIR: join(home, 'cache'), PATH: process.env['PATH'] ?? '', ...run.env },
        ...(run.signal ? { signal: run.signal, killSignal: 'SIGKILL' } : {}),
      });
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text;
        run.onStdout?.(text);
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text;
      });
      child.on('error', (error) => (run.signal?.aborted ? undefined : reject(error)));
      child.on('close', (code) => resolve({ code: code ?? -1, stdout, stderr }));
      child.stdin.on('error', () => {}); // kubectl may exit first
      child.stdin.end(typeof run.input === 'object' ? JSON.stringify(run.input) : run.input);
    });
  return { server, store, client, ca, port, url, kubectl, kubeconfigPath };
}

// Words, with single or double quotes around those that have spaces.
const splitArgs = (text: string): string[] =>
  [...text.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, single, double, bare]) => single ?? double ?? bare ?? '');
