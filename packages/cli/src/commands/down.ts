import { rmSync } from 'node:fs';
import { CodedError, delay, systemClock } from '@lateen/base';
import { Command } from 'commander';
import { lockHolder } from '../machine/state-dir.ts';
import type { CliSettings } from '../settings.ts';
import { pathsOf, stateDirOption } from './state-option.ts';

const STOP_TIMEOUT_MS = 60_000;

/** `lateen down`: stops what `lateen up` started, pods first. */
export function downCommand(settings: CliSettings): Command {
  return new Command('down')
    .description('stop the mesh; its objects are kept for the next "up" unless --purge')
    .addOption(stateDirOption(settings))
    .option('--purge', 'also delete the state folder: objects, keys, logs')
    .action(async (options: { stateDir: string; purge?: boolean }) => {
      const paths = pathsOf(options);
      const pid = lockHolder(paths);
      if (pid === undefined) process.stdout.write(`No mesh is running from ${paths.root}.\n`);
      else {
        process.kill(pid, 'SIGTERM');
        await waitUntilStopped(() => lockHolder(paths) !== pid, pid);
        process.stdout.write('The mesh is stopped.\n');
      }
      if (options.purge) {
        rmSync(paths.root, { recursive: true, force: true });
        process.stdout.write(`Deleted ${paths.root}.\n`);
      }
    });
}

async function waitUntilStopped(isStopped: () => boolean, pid: number): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + STOP_TIMEOUT_MS;
  while (!isStopped()) {
    if (systemClock.monotonicMs() > deadlineMs) {
      throw new CodedError({
        code: 'LAT7103',
        what: `process ${pid} did not stop within ${STOP_TIMEOUT_MS / 1000} s`,
        fix: `look at its log, or end it with "kill -9 ${pid}": nothing of it is left behind`,
      });
    }
    await delay(systemClock, 50);
  }
}
