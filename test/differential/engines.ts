// The two programs under comparison, each started on a bootstrap.

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { messageOf, silentLogger } from '@lateen/base';
import { runProxy } from '@lateen/proxy';
import { parseBootstrap } from '@lateen/proxy/bootstrap';
import { envoyBinary } from '../support/envoy.ts';
import { exitOf } from '../support/run.ts';

export type Running = {
  /** Lines of an access log so far, once everything that has happened is in it. */
  log(path: string): Promise<string[]>;
  close(): Promise<void>;
};

/** Starts Envoy and waits for its first listener. @throws with what it said when it refuses the bootstrap. */
export async function startEnvoyOn(bootstrap: string, options: { folder: string; port: number }): Promise<Running> {
  const path = join(options.folder, `envoy-${options.port}.json`);
  writeFileSync(path, bootstrap);
  const flags = ['--concurrency', '1', '--log-level', 'error', '--use-dynamic-base-id', '--file-flush-interval-msec', '10'];
  const child = spawn(envoyBinary, ['-c', path, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk;
    });
  }
  await untilListening(child, options.port, () => output);
  return {
    async log(file) {
      await new Promise((next) => setTimeout(next, 60));
      return readLines(file);
    },
    async close() {
      child.kill('SIGTERM');
      await exitOf(child);
    },
  };
}

/** Starts Lateen's proxy in this process. @throws when it refuses the bootstrap. */
export async function startLateenOn(bootstrap: string): Promise<Running> {
  const logs = new Map<string, string>();
  const running = await runProxy({
    bootstrap: parseBootstrap(bootstrap, 'bootstrap'),
    logger: silentLogger,
    appendLog: (path, text) => void logs.set(path, (logs.get(path) ?? '') + text),
  });
  return {
    async log(path) {
      // Sinks write in batches, and the rest at the end.
      await running.close();
      return (logs.get(path) ?? '').split('\n').filter(Boolean);
    },
    close: () => running.close(),
  };
}

async function untilListening(child: ChildProcess, port: number, said: () => string): Promise<void> {
  for (let i = 0; i < 800; i++) {
    if (child.exitCode !== null) throw new Error(`Envoy refuses the bootstrap: ${said()}`);
    if (await canConnect(port)) return;
    await new Promise((next) => setTimeout(next, 25));
  }
  child.kill('SIGKILL');
  throw new Error(`Envoy does not listen: ${said()}`);
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').filter(Boolean);
  } catch (error) {
    throw new Error(`no access log: ${messageOf(error)}`);
  }
}
