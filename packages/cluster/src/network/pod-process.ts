// Starts a container's process: in-process preparation of network, mount and UTS namespace around one spawn (no shell, no mount
// programs), then `unshare` for the pid namespace with its own /proc, then `setpriv` for user, groups and capabilities.

import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import path from 'node:path';
import { CodedError } from '@lateen/base';
import type { PodProcessRequest } from '../contracts.ts';
import { libc } from './kernel/libc.ts';
import { arrangeMounts, type MountedFile } from './kernel/mounts.ts';
import { CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUTS, type Netns, openNamespace, restore } from './kernel/namespaces.ts';

// pdeathsig twice: it is lost when the user changes, so the outer one alone would leave the container behind.
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

// What container runtimes leave to a container by default. Without net_admin an app cannot change its capture rules.
const CAPABILITIES = [
  'chown',
  'dac_override',
  'fowner',
  'fsetid',
  'kill',
  'setgid',
  'setuid',
  'setpcap',
  'net_bind_service',
  'net_raw',
  'sys_chroot',
  'mknod',
  'audit_write',
  'setfcap',
];

export type PodProcessOptions = {
  netns: Netns;
  /** False in a user namespace with a single mapped id: `runAsUser` cannot be honoured there, everything runs as the invoking user. */
  changesUser: boolean;
  files: MountedFile[];
};

/**
 * The returned process is the outer `unshare`; its exit code and signal are the container's, and `kill` reaches the container's
 * first process. As that one is pid 1, signals that it does not handle would be ignored: SIGTERM and SIGINT then become SIGKILL.
 */
export function spawnInPod(request: PodProcessRequest, options: PodProcessOptions): ChildProcess {
  const command = [
    ...[program('setpriv'), '--pdeathsig', 'KILL', '--'],
    ...[program('unshare'), '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation', 'unchanged', '--'],
    ...[
      program('setpriv'),
      '--pdeathsig',
      'KILL',
      '--no-new-privs',
      '--bounding-set',
      `-all,${CAPABILITIES.map((name) => `+${name}`).join(',')}`,
    ],
    ...(options.changesUser ? userArguments(request) : []),
    ...['--', ...request.argv],
  ];
  const child = insidePodNamespaces(options.netns, () => {
    libc().sethostname(request.hostname.slice(0, 64));
    arrangeMounts(request.mounts, options.files);
    return spawn(command[0] as string, command.slice(1), {
      stdio: request.stdio,
      cwd: request.cwd ?? '/',
      env: { PATH: DEFAULT_PATH, ...request.env },
    });
  });
  child.kill = (signal) => killContainer(child, signal);
  return child;
}

function userArguments({ runAsUser, runAsGroup }: PodProcessRequest): string[] {
  if (runAsUser === undefined && runAsGroup === undefined) return ['--clear-groups'];
  return ['--clear-groups', `--regid=${runAsGroup ?? 0}`, `--reuid=${runAsUser ?? 0}`];
}

let homes: { net: number; mnt: number; uts: number } | undefined;

// `run` is synchronous and forks: the child stays in the namespaces, this thread goes back. Going back to the mount namespace
// resets the working directory.
function insidePodNamespaces<T>(netns: Netns, run: () => T): T {
  homes ??= { net: openNamespace('net'), mnt: openNamespace('mnt'), uts: openNamespace('uts') };
  const workingDirectory = currentFolder();
  libc().unshare(CLONE_NEWNS | CLONE_NEWUTS);
  try {
    libc().setns(netns.fd, CLONE_NEWNET);
    return run();
  } finally {
    restore(homes.net, CLONE_NEWNET);
    restore(homes.uts, CLONE_NEWUTS);
    restore(homes.mnt, CLONE_NEWNS);
    process.chdir(workingDirectory);
  }
}

/** Where to go back to; the folder may have been deleted under us. */
function currentFolder(): string {
  try {
    const folder = process.cwd();
    accessSync(folder, constants.X_OK);
    return folder;
  } catch {
    return '/';
  }
}

function killContainer(child: ChildProcess, signal: NodeJS.Signals | number = 'SIGTERM'): boolean {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return false;
  const number = typeof signal === 'number' ? signal : osConstants.signals[signal];
  try {
    const pid = firstChildOf(child.pid);
    const { SIGKILL, SIGTERM, SIGINT } = osConstants.signals;
    const isFatal = number === SIGKILL || ((number === SIGTERM || number === SIGINT) && (pid === undefined || !catches(pid, number)));
    if (!isFatal) return process.kill(pid ?? child.pid, number);
    // The outer one first: `unshare` cannot pass on that its child died of SIGKILL.
    process.kill(child.pid, SIGKILL);
    if (pid !== undefined) process.kill(pid, SIGKILL);
    return true;
  } catch {
    // Ended in the meantime.
    return false;
  }
}

function firstChildOf(pid: number): number | undefined {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children === '' ? undefined : Number(children.split(' ')[0]);
}

function catches(pid: number, signal: number): boolean {
  const mask = /^SigCgt:\s*([0-9a-f]{1,16})$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return mask !== undefined && ((BigInt(`0x${mask}`) >> BigInt(signal - 1)) & 1n) === 1n;
}

const programs = new Map<string, string>();

/** Absolute path of a util-linux program: the container's own PATH must not decide which one runs. */
function program(name: string): string {
  const known = programs.get(name);
  if (known) return known;
  const found = DEFAULT_PATH.split(':')
    .map((folder) => path.join(folder, name))
    .find(isExecutable);
  if (!found) throw new CodedError({ code: 'LAT4103', what: `the program ${name} is missing`, fix: 'install the package util-linux' });
  programs.set(name, found);
  return found;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
