// What a mesh has on this machine, read from /proc: its processes and their network namespaces. Linux only.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export type ProcessInfo = { pid: number; parent: number; startTime: string; command: string; netns: string };

function readProcess(pid: number): ProcessInfo | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The program's name is in parentheses and may hold anything; fields are counted after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z') return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return { pid, parent: Number(fields[1]), startTime: fields[19] ?? '', command, netns: readlinkSync(`/proc/${pid}/ns/net`) };
  } catch {
    // It ended meanwhile.
    return undefined;
  }
}

/** Every living process. */
export function allProcesses(): ProcessInfo[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => readProcess(Number(pid))).filter((found) => found !== undefined);
}

/** A process and everything below it. */
export function processTree(root: number): ProcessInfo[] {
  const all = allProcesses();
  const tree = all.filter(({ pid }) => pid === root);
  // Grows while it is walked.
  for (const { pid } of tree) tree.push(...all.filter(({ parent }) => parent === pid));
  return tree;
}

/** The only process of the tree whose command line holds the text. */
export function findProcess(root: number, text: string): ProcessInfo {
  const found = processTree(root).filter(({ command }) => command.includes(text));
  // A program under a supervisor of its own has its text in both command lines.
  const innermost = found.filter(({ pid }) => !found.some(({ parent }) => parent === pid));
  const [only] = innermost;
  if (!only || innermost.length > 1)
    throw new Error(`${innermost.length} processes with ${text}: ${innermost.map(({ command }) => command)}`);
  return only;
}
