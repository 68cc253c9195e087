// A whole mesh for end-to-end tests: `./lateen up` with a state folder of its own, and kubectl pointed at it.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { eventually, freePort } from '@lateen/base/testing';
import { exitOf, hasProgram, type RunOptions, type RunResult, run, runOk } from './run.ts';

export const checkout = resolve(import.meta.dirname, '../..');
export const samples = join(checkout, 'samples');

export type Rung = 'root' | 'rootless' | 'proxy';

export type Mesh = {
  rung: Rung;
  stateDir: string;
  process: ChildProcess;
  /** Everything `lateen up` printed so far. */
  output(): string;
  /** kubectl's standard output; a failure rejects with all it printed. */
  kubectl(args: string[], options?: RunOptions): Promise<string>;
  /** kubectl, any exit code. */
  tryKubectl(args: string[], options?: RunOptions): Promise<RunResult>;
  lateen(args: string[], options?: RunOptions): Promise<string>;
  /** The ingress URL as the tutorials compute it. */
  gatewayUrl(): Promise<string>;
  /** SIGTERM and wait. */
  stop(): Promise<void>;
};

export type MeshOptions = {
  rung: Rung;
  command?: string[];
  stateDir?: string;
  keepState?: boolean;
  /** Port of the ingress gateway on the host: a number, `free` (the default) for any free one, `default` for what `lateen up` takes by itself. */
  httpPort?: number | 'free' | 'default';
};

/** An ordinary user for the rootless rung when the tests themselves run as root. */
const ORDINARY_UID = 4242;
const START_TIMEOUT_MS = 90_000;

/** Why a rung cannot be tested here, or undefined. Used as `skip`, so that it shows. */
export async function cannotRun(rung: Rung): Promise<string | undefined> {
  if (!(await hasProgram('kubectl', ['version', '--client']))) return 'kubectl is not installed';
  if (!(await hasProgram('curl'))) return 'curl is not installed, which pods of these tests run';
  if (rung === 'proxy') return undefined;
  if (process.platform !== 'linux') return 'network namespaces are a Linux thing';
  if (rung === 'root') return userInfo().uid === 0 ? undefined : 'needs root';
  const probe = await run(...asOrdinaryUser(['unshare', '--user', '--map-root-user', '--net', 'true'])).catch((error: Error) => ({
    code: 1,
    stderr: error.message,
  }));
  return probe.code === 0 ? undefined : `user namespaces are refused here: ${probe.stderr.trim()}`;
}

/** The command line that runs a command without privileges. */
function asOrdinaryUser([command, ...args]: string[]): [string, string[]] {
  if (userInfo().uid !== 0) return [command as string, args];
  return [
    'setpriv',
    [`--reuid=${ORDINARY_UID}`, `--regid=${ORDINARY_UID}`, '--clear-groups', '--inh-caps=-all', command as string, ...args],
  ];
}

/** Starts a mesh and waits for its banner. It is stopped, and its state deleted, after the test. */
export async function startMesh(t: TestContext, options: MeshOptions): Promise<Mesh> {
  const { rung, command = ['up'], httpPort = 'free' } = options;
  const stateDir = options.stateDir ?? makeStateDir(rung);
  const home = join(stateDir, 'home');
  mkdirSync(home, { recursive: true });
  const isOrdinary = rung === 'rootless' && userInfo().uid === 0;
  if (isOrdinary) for (const folder of [stateDir, home]) chownSync(folder, ORDINARY_UID, ORDINARY_UID);
  const argv = [join(checkout, 'lateen'), ...command, '--network', rung, '--state-dir', join(stateDir, 'state')];
  if (httpPort !== 'default') argv.push('--http-port', String(httpPort === 'free' ? await freePort() : httpPort));
  const [file, args] = rung === 'rootless' ? asOrdinaryUser(argv) : [argv[0] as string, argv.slice(1)];
  const env = { ...process.env, HOME: home, KUBECONFIG: '', LATEEN_STATE_DIR: join(stateDir, 'state') };
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk;
    });
  }
  const kubeconfig = join(stateDir, 'state', 'kubeconfig');
  const kubectlEnv = { HOME: home, KUBECONFIG: kubeconfig };
  const mesh: Mesh = {
    rung,
    stateDir,
    process: child,
    output: () => output,
    kubectl: (args, runOptions) => runOk('kubectl', args, { cwd: checkout, ...runOptions, env: { ...kubectlEnv, ...runOptions?.env } }),
    tryKubectl: (args, runOptions) => run('kubectl', args, { cwd: checkout, ...runOptions, env: { ...kubectlEnv, ...runOptions?.env } }),
    lateen: (args, runOptions) =>
      runOk(join(checkout, 'lateen'), args, {
        cwd: checkout,
        ...runOptions,
        env: { HOME: home, KUBECONFIG: kubeconfig, LATEEN_STATE_DIR: join(stateDir, 'state'), ...runOptions?.env },
      }),
    async gatewayUrl() {
      const service = ['-n', 'istio-system', 'get', 'service', 'istio-ingressgateway', '-o'];
      const host = await mesh.kubectl([...service, 'jsonpath={.status.loadBalancer.ingress[0].hostname}']);
      const port = await mesh.kubectl([...service, 'jsonpath={.spec.ports[?(@.name=="http2")].port}']);
      return `http://${host}:${port}`;
    },
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await exitOf(child);
    },
  };
  t.after(async () => {
    await mesh.stop();
    if (!options.keepState) rmSync(stateDir, { recursive: true, force: true });
  });
  await eventually(
    () => {
      if (child.exitCode === null && !/mesh is up/i.test(output)) throw new Error(`no banner yet:\n${output}`);
    },
    { timeoutMs: START_TIMEOUT_MS, intervalMs: 100 },
  )
    .then(() => assert.equal(child.exitCode, null, `lateen ended with ${child.exitCode}:\n${output}`))
    .catch((error: Error) => {
      throw new Error(`${error.message}\n--- log\n${readLog(stateDir)}`);
    });
  return mesh;
}

/** A new folder that every rung may use. The caller deletes it. */
export function makeStateDir(rung: Rung): string {
  const stateDir = mkdtempSync(join(tmpdir(), `lateen-e2e-${rung}-`));
  chmodSync(stateDir, 0o755);
  return stateDir;
}

function readLog(stateDir: string): string {
  try {
    return readFileSync(join(stateDir, 'state', 'lateen.log'), 'utf8')
      .split('\n')
      .slice(-60)
      .join('\n');
  } catch {
    return '(no log)';
  }
}
