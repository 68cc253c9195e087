// What one benchmark run owns: a temporary folder and pinned children, all gone at its end.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const checkout = resolve(import.meta.dirname, '../..');

/** The proxy under test has a CPU of its own; everything else (upstreams, load, this process) shares the other. */
export const PROXY_CPU = 0;
export const LOAD_CPU = cpus().length > 1 ? 1 : 0;

export type Program = { command: string; args: readonly string[] };

export type Stage = {
  folder: string;
  /** Writes a file below `folder` and gives its path. */
  write(name: string, text: string | Buffer): string;
  /** Pinned to one CPU; ends with the stage, or by `stop`. */
  start(cpu: number, program: Program): ChildProcess;
  stop(child: ChildProcess): Promise<void>;
  /** The end of what a child wrote to its standard error. */
  saidBy(child: ChildProcess): string;
};

/** Runs `use` and ends everything it started, also after a failure or a signal. */
export async function onStage<T>(use: (stage: Stage) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'lateen-bench-'));
  const children = new Set<ChildProcess>();
  const errors = new WeakMap<ChildProcess, string>();
  const killAll = () => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  const onSignal = () => {
    killAll();
    process.exit(130);
  };
  process.on('exit', killAll);
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  const stop = async (child: ChildProcess) => {
    if (!children.delete(child) || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child.once('exit', done));
    child.kill('SIGTERM');
    const limit = setTimeout(() => child.kill('SIGKILL'), 3000);
    await ended;
    clearTimeout(limit);
  };
  try {
    return await use({
      folder,
      write(name, text) {
        writeFileSync(join(folder, name), text);
        return join(folder, name);
      },
      start(cpu, { command, args }) {
        const child = spawn('taskset', ['-c', String(cpu), command, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
        const say = (text: string) => errors.set(child, ((errors.get(child) ?? '') + text).slice(-4000));
        child.stderr.on('data', (chunk: Buffer) => say(chunk.toString()));
        child.on('error', (error) => say(error.message));
        children.add(child);
        return child;
      },
      stop,
      saidBy: (child) => (errors.get(child) ?? '').trim(),
    });
  } finally {
    await Promise.all([...children].map(stop));
    process.off('exit', killAll);
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    rmSync(folder, { recursive: true, force: true });
  }
}
