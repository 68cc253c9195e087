// What a process and its children (nginx works in one) cost, from /proc.

import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;

/** User and system time of all threads so far, in seconds. */
export function cpuSeconds(pid: number): number {
  let ticks = 0;
  for (const one of withChildren(pid)) {
    const fields = statFields(one);
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS_PER_SECOND;
}

/** Resident memory in KiB. */
export function residentKib(pid: number): number {
  let kib = 0;
  for (const one of withChildren(pid)) kib += Number(/^VmRSS:\s+(\d+)/m.exec(readOptional(`/proc/${one}/status`))?.[1] ?? 0);
  return kib;
}

function withChildren(pid: number): number[] {
  const found = [pid];
  for (const name of readdirSync('/proc')) {
    if (/^\d+$/.test(name) && Number(statFields(Number(name))[1]) === pid) found.push(Number(name));
  }
  return found;
}

/** The fields after the process's name, which may hold spaces. */
function statFields(pid: number): string[] {
  const text = readOptional(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function readOptional(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
