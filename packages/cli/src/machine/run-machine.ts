// The host-side parent of `lateen up`, from the choice of the rung to the last line.

import { createWriteStream, rmSync } from 'node:fs';
import { join } from 'node:path';
import { chooseNetworkMode, startNodeProcess } from '@lateen/cluster/host';
import { ExitCode } from '../run-command-line.ts';
import type { CliSettings } from '../settings.ts';
import { commandFor, renderBanner } from './banner.ts';
import type { Demo } from './demos.ts';
import { chooseHttpPort } from './http-port.ts';
import { NODE_OPTIONS_VARIABLE, type NodeOptions, type NodeReport } from './node-options.ts';
import { lockStateDir, type StatePaths, writeReport } from './state-dir.ts';

export type MachineOptions = {
  paths: StatePaths;
  settings: CliSettings;
  requestedNetwork: 'auto' | 'root' | 'rootless' | 'proxy';
  catalogueFiles: string[];
  samples: string;
  apiPort: number;
  httpPort: number | undefined;
  demo: Demo | undefined;
};

/** Long enough for pods that use their whole grace period of 30 s. */
const STOP_GRACE_MS = 45_000;
const NODE_MODULE = join(import.meta.dirname, 'node-main.ts');

/** Runs until the node process ends or a signal asks for it. A second signal ends everything at once. */
export async function runMachine(options: MachineOptions): Promise<void> {
  const { paths, settings } = options;
  const release = lockStateDir(paths);
  rmSync(paths.report, { force: true });
  const write = (text: string) => void process.stdout.write(text);
  try {
    const { mode, reason, refusals } = await chooseNetworkMode(options.requestedNetwork);
    for (const refusal of refusals) write(`  ${refusal.mode} refused: ${refusal.why}; ${refusal.fix}\n`);
    write(`✔ network: ${mode} (${reason})\n`);
    const http = await chooseHttpPort(options.httpPort);
    if (http.note) write(`  ${http.note}\n`);
    const nodeOptions: NodeOptions = {
      stateDir: paths.root,
      network: { mode, reason },
      catalogueFiles: options.catalogueFiles,
      samples: options.samples,
      apiPort: options.apiPort,
      gatewayHttpPort: http.port,
      demo: options.demo,
      compileCache: settings.compileCache,
    };
    const log = createWriteStream(paths.log, { flags: 'w', mode: 0o600 });
    log.on('error', () => {});
    const node = startNodeProcess({
      mode,
      childModule: NODE_MODULE,
      env: nodeEnvironment(nodeOptions),
      execArgv: ['--max-semi-space-size=4', '--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'pipe', 'pipe'],
      onReport: (value) => onReport(value as NodeReport),
    });
    node.child.stdout?.pipe(log, { end: false });
    node.child.stderr?.pipe(log, { end: false });
    let failed = false;
    const onReport = (report: NodeReport) => {
      if (report.kind === 'text') return write(report.text);
      if (report.kind === 'failed') {
        failed = true;
        return void process.stderr.write(report.text);
      }
      const { apiServer, kubeconfig, gateway } = report;
      const machine = { pid: process.pid, network: { mode, reason }, apiServer, kubeconfig, gateway, startedAt: new Date().toISOString() };
      writeReport(paths, machine);
      write(
        renderBanner({
          report: machine,
          command: commandFor(settings.programName, paths.root, settings.stateDir),
          demo: options.demo,
          isDetached: false,
        }),
      );
    };
    let signals = 0;
    const onSignal = () => {
      if (++signals > 1) node.child.kill('SIGKILL');
      else {
        write('\nStopping: pods first.\n');
        void node.stop(STOP_GRACE_MS);
      }
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
    const exit = await node.exited;
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    rmSync(paths.report, { force: true });
    if (signals > 0) return write('Everything is stopped.\n');
    if (!failed)
      process.stderr.write(
        `lateen: the node process ended unexpectedly (${exit.signal ?? exit.error?.message ?? `exit code ${exit.code}`}); its log: ${paths.log}\n`,
      );
    throw new ExitCode(1);
  } finally {
    release();
  }
}

// Nothing of the caller's environment but what a program needs to run: pods must not inherit secrets by accident.
function nodeEnvironment(options: NodeOptions): Record<string, string> {
  const { PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME = '/', TMPDIR, LANG } = process.env;
  return {
    PATH,
    HOME,
    ...(TMPDIR ? { TMPDIR } : {}),
    ...(LANG ? { LANG } : {}),
    ...(options.compileCache ? { NODE_COMPILE_CACHE: options.compileCache } : {}),
    [NODE_OPTIONS_VARIABLE]: JSON.stringify(options),
  };
}
