// `--detach`: the same command line again, in a session of its own, watched until it is ready.

import { spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { delay, systemClock } from '@lateen/base';
import { ExitCode } from '../run-command-line.ts';
import type { CliSettings } from '../settings.ts';
import { commandFor, renderBanner } from './banner.ts';
import type { Demo } from './demos.ts';
import { readReport, type StatePaths } from './state-dir.ts';

export type DetachOptions = { paths: StatePaths; settings: CliSettings; demo: Demo | undefined };

/** Returns once the mesh is up; throws with the background process' output when it is not. */
export async function runDetached({ paths, settings, demo }: DetachOptions): Promise<void> {
  mkdirSync(paths.root, { recursive: true, mode: 0o700 });
  const output = join(paths.root, 'up.log');
  const file = openSync(output, 'w', 0o600);
  const args = process.argv.slice(1).filter((argument) => argument !== '--detach');
  const child = spawn(process.execPath, [...process.execArgv, ...args], { detached: true, stdio: ['ignore', file, file] });
  let isOver = false;
  child.once('exit', () => {
    isOver = true;
  });
  for (;;) {
    const report = readReport(paths);
    if (report && report.pid === child.pid) {
      process.stdout.write(
        renderBanner({
          report,
          command: commandFor(settings.programName, paths.root, settings.stateDir),
          demo,
          isDetached: true,
        }),
      );
      child.unref();
      return;
    }
    if (isOver) {
      process.stderr.write(readFileSync(output, 'utf8'));
      throw new ExitCode(1);
    }
    await delay(systemClock, 50);
  }
}
