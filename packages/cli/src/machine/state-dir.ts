// The folder in which one machine-sized mesh lives: its objects, keys, logs, kubeconfig, and the lock of whoever runs it.

import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError } from '@lateen/base';
import { isSameProcess, processStartTime } from './process-identity.ts';

export type StatePaths = {
  root: string;
  kubeconfig: string;
  /** What `up` reports once everything is ready; gone while nothing runs. */
  report: string;
  lock: string;
  log: string;
};

/** What a running `lateen up` says of itself. */
export type MachineReport = {
  pid: number;
  network: { mode: string; reason: string };
  apiServer: string;
  kubeconfig: string;
  /** URL of the ingress gateway. */
  gateway: string | undefined;
  startedAt: string;
};

export function statePaths(root: string): StatePaths {
  return {
    root,
    kubeconfig: join(root, 'kubeconfig'),
    report: join(root, 'machine.json'),
    lock: join(root, 'lock.json'),
    log: join(root, 'lateen.log'),
  };
}

type Lock = { pid: number; startTime: string };

/**
 * Takes the folder for this process; creates it, readable by its owner only. Release it with the returned function.
 * @throws CodedError LAT7101 when a living process holds it.
 */
export function lockStateDir(paths: StatePaths): () => void {
  mkdirSync(paths.root, { recursive: true, mode: 0o700 });
  const holder = lockHolder(paths);
  if (holder !== undefined) {
    throw new CodedError({
      code: 'LAT7101',
      what: `a mesh is already running from ${paths.root}`,
      why: `process ${holder} holds its lock`,
      fix: 'use it as it is, stop it with "lateen down", or give this one a folder of its own with --state-dir',
    });
  }
  rmSync(paths.lock, { force: true });
  const lock: Lock = { pid: process.pid, startTime: processStartTime(process.pid) ?? '' };
  const file = openSync(paths.lock, 'wx', 0o600);
  writeSync(file, JSON.stringify(lock));
  closeSync(file);
  return () => rmSync(paths.lock, { force: true });
}

/** The pid that runs from this folder, or undefined. A lock left by a killed process does not count. */
export function lockHolder(paths: StatePaths): number | undefined {
  if (!existsSync(paths.lock)) return undefined;
  try {
    const lock = JSON.parse(readFileSync(paths.lock, 'utf8')) as Lock;
    return isSameProcess(lock.pid, lock.startTime) ? lock.pid : undefined;
  } catch {
    // Half-written: its writer died in between.
    return undefined;
  }
}

export function writeReport(paths: StatePaths, report: MachineReport): void {
  const scratch = `${paths.report}.new`;
  writeFileSync(scratch, `${JSON.stringify(report, null, 2)}\n`, { mode: 0o600 });
  renameSync(scratch, paths.report);
}

/** The report of a mesh that is running and ready, or undefined. */
export function readReport(paths: StatePaths): MachineReport | undefined {
  const holder = lockHolder(paths);
  if (holder === undefined || !existsSync(paths.report)) return undefined;
  const report = JSON.parse(readFileSync(paths.report, 'utf8')) as MachineReport;
  return report.pid === holder ? report : undefined;
}

/** @throws CodedError LAT7102 when no mesh runs from this folder. */
export function requireReport(paths: StatePaths): MachineReport {
  const report = readReport(paths);
  if (report) return report;
  const starting = lockHolder(paths) !== undefined;
  throw new CodedError({
    code: 'LAT7102',
    what: starting ? 'the mesh is still starting' : 'no mesh is running',
    why: `looked in ${paths.root}`,
    fix: starting ? 'wait for its banner' : 'start one with "lateen up" (or "npm start"), or name its folder with --state-dir',
  });
}
