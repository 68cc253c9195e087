// A pid alone names no process: it is used again. Pid and start time together do.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** An opaque start time, or undefined when there is no such process. */
export function processStartTime(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The command name may hold blanks and parentheses; what follows the last one does not.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const isZombie = fields[0] === 'Z';
      return isZombie ? undefined : fields[19];
    }
    return (
      execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim() ||
      undefined
    );
  } catch {
    return undefined;
  }
}

export function isSameProcess(pid: number, startTime: string): boolean {
  return Number.isInteger(pid) && pid > 0 && processStartTime(pid) === startTime;
}
