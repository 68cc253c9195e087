// The ladder root -> rootless -> proxy: each rung is really tried in a throw-away child, and a refused one says why and what would
// mend it.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { CodedError } from '@lateen/base';
import type { NetworkMode } from '../contracts.ts';
import type { ProbeOutcome, ProbeStep } from './mode-probe.ts';
import { namespaceCommand } from './node-process.ts';

export type Refusal = { mode: NetworkMode; why: string; fix: string };
export type ModeChoice = {
  mode: NetworkMode;
  /** Why this rung, one line for the banner. */
  reason: string;
  /** The better rungs that did not work. */
  refusals: Refusal[];
};

const REASONS = {
  root: 'running as root; traffic is captured transparently',
  rootless: 'user namespaces work here; traffic is captured transparently',
} as const;

/**
 * The best mode that works here. Throws when a mode other than `auto` is asked for and does not work. Takes about 0.2 s a rung.
 */
export async function chooseNetworkMode(requested: 'auto' | NetworkMode): Promise<ModeChoice> {
  if (requested === 'proxy')
    return { mode: 'proxy', reason: 'asked for; nothing is captured, only apps that honour http_proxy are in the mesh', refusals: [] };
  const isRoot = process.geteuid?.() === 0;
  const rungs: ('root' | 'rootless')[] = requested === 'auto' ? (isRoot ? ['root', 'rootless'] : ['rootless']) : [requested];
  const refusals: Refusal[] = [];
  for (const mode of rungs) {
    const refusal = await tryMode(mode, isRoot);
    if (!refusal) return { mode, reason: REASONS[mode], refusals };
    refusals.push(refusal);
  }
  const [first] = refusals;
  if (requested !== 'auto' && first) {
    throw new CodedError({ code: 'LAT4106', what: `the network mode ${requested} does not work here`, why: first.why, fix: first.fix });
  }
  return {
    mode: 'proxy',
    reason: 'no network namespaces here; nothing is captured, only apps that honour http_proxy are in the mesh',
    refusals,
  };
}

async function tryMode(mode: 'root' | 'rootless', isRoot: boolean): Promise<Refusal | undefined> {
  if (process.platform !== 'linux') {
    return { mode, why: `${process.platform} has no network namespaces`, fix: 'run Lateen in a Linux virtual machine or container' };
  }
  if (mode === 'root' && !isRoot) return { mode, why: 'not started as root', fix: 'use sudo, or leave the choice to --network=auto' };
  const outcome = await runProbe(mode);
  return outcome.error === undefined ? undefined : { mode, why: explain(outcome), fix: advise(mode, outcome) };
}

async function runProbe(mode: 'root' | 'rootless'): Promise<ProbeOutcome> {
  const probe = [process.execPath, path.join(import.meta.dirname, 'mode-probe.ts'), mode];
  const [program, ...argv] = [...namespaceCommand(mode), ...probe] as [string, ...string[]];
  const child = spawn(program, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, complaint] = ['', ''];
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    complaint += chunk;
  });
  const failure = await new Promise<Error | undefined>((resolve) => {
    child.once('error', resolve);
    child.once('close', () => resolve(undefined));
  });
  const line = out.trim().split('\n').at(-1) ?? '';
  if (line.startsWith('{')) return JSON.parse(line) as ProbeOutcome;
  return { step: 'namespaces', error: failure?.message ?? (complaint.trim().split('\n')[0] || 'the probe ended silently') };
}

const DOING: Record<ProbeStep, string> = {
  namespaces: 'namespaces cannot be made',
  links: 'virtual network links cannot be made',
  rules: 'redirection rules (nf_tables) cannot be loaded',
  capture: 'redirection does not work',
  exemption: "the sidecar's own traffic cannot be told from the app's",
  processes: 'a process cannot be started in a pod',
  done: '',
};

const explain = ({ step, error }: ProbeOutcome) => `${DOING[step]}: ${error}`;

function advise(mode: 'root' | 'rootless', { step, error }: ProbeOutcome): string {
  if (/ENOENT/.test(error ?? '') && step === 'namespaces') return 'install the package util-linux (unshare, setpriv)';
  const container = 'in a container, start it with --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined';
  if (step === 'rules' || step === 'capture') return 'load the kernel modules: modprobe nf_tables nft_chain_nat nft_redir nf_conntrack';
  if (mode === 'root') return container;
  if (sysctl('kernel/apparmor_restrict_unprivileged_userns') === '1')
    return 'sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0, or run as root';
  if (sysctl('kernel/unprivileged_userns_clone') === '0') return 'sudo sysctl kernel.unprivileged_userns_clone=1, or run as root';
  if (sysctl('user/max_user_namespaces') === '0') return 'sudo sysctl user.max_user_namespaces=10000, or run as root';
  return `run as root; ${container}`;
}

function sysctl(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
