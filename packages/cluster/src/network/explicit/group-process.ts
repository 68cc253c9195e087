// A container's process without namespaces: a process group of its own, which ends with its first process and with this one.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { PodProcessRequest } from '../../contracts.ts';
import { killGroup } from '../host-access.ts';

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
const SETPRIV = '/usr/bin/setpriv';

export type ProcessGroups = {
  spawn(request: PodProcessRequest, environment: Record<string, string>): ChildProcess;
  /** Kills what is left. */
  close(): void;
};

export type ProcessGroupsOptions = {
  /** Told of each group's leader, and when it has gone, so that somebody can end the group if this process cannot. */
  onStart(pid: number): void;
  onEnd(pid: number): void;
};

/**
 * Mounts cannot be made: only the service account's folder is passed on, as LATEEN_SERVICEACCOUNT_DIR. Users and groups are not
 * changed either, and `hostname` has no effect.
 */
export function createProcessGroups({ onStart, onEnd }: ProcessGroupsOptions): ProcessGroups {
  const running = new Set<number>();
  const end = (pid: number) => {
    if (!running.delete(pid)) return;
    killGroup(pid);
    onEnd(pid);
  };
  return {
    spawn(request, environment) {
      const account = request.mounts.find(({ target }) => target === SERVICE_ACCOUNT);
      const dieWithUs = existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig', 'KILL', '--'] : [];
      const [program, ...argv] = [...dieWithUs, ...request.argv] as [string, ...string[]];
      const child = spawn(program, argv, {
        stdio: request.stdio,
        detached: true,
        env: {
          PATH: '/usr/local/bin:/usr/bin:/bin',
          ...(account ? { LATEEN_SERVICEACCOUNT_DIR: account.source } : {}),
          ...environment,
          ...request.env,
        },
        ...(request.cwd ? { cwd: request.cwd } : {}),
      });
      const { pid } = child;
      if (pid === undefined) return child;
      running.add(pid);
      onStart(pid);
      child.once('exit', () => end(pid));
      const killLeader = child.kill.bind(child);
      child.kill = (signal) => (signal === 'SIGKILL' || signal === 9 ? running.has(pid) && killGroup(pid) : killLeader(signal));
      return child;
    },
    close() {
      for (const pid of [...running]) end(pid);
    },
  };
}
