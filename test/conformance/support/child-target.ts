// Lateen's proxy in a process of its own.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { bootstrapOf, type JsonObject } from './configuration.ts';
import type { FromChild, Measured, ToChild } from './serve.ts';

export type ChildTarget = {
  readonly child: ChildProcess;
  portOf(listener: string): number;
  /** After a garbage collection. */
  measure(): Promise<Measured>;
  /** Fills the heap up to this share of its limit; 0 lets go. */
  fill(share: number): Promise<void>;
  /** The process ended by itself. */
  hasDied(): boolean;
  close(): Promise<void>;
};

export type ChildOptions = { more?: JsonObject; execArgv?: readonly string[] };

/** Starts it; the caller closes it. */
export async function startChildTarget(
  listeners: readonly JsonObject[],
  clusters: readonly JsonObject[],
  { more = {}, execArgv = [] }: ChildOptions = {},
): Promise<ChildTarget> {
  const child = fork(join(import.meta.dirname, 'serve.ts'), [], {
    execArgv: ['--expose-gc', ...execArgv],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const tell = (message: ToChild): void => void child.send(message);
  const hear = async <K extends FromChild['kind']>(kind: K): Promise<Extract<FromChild, { kind: K }>> => {
    for (;;) {
      const [message] = (await Promise.race([once(child, 'message'), once(child, 'exit').then(died)])) as [FromChild];
      if (message.kind === 'failed') throw new Error(message.why);
      if (message.kind === kind) return message as Extract<FromChild, { kind: K }>;
    }
  };
  const started = hear('started');
  tell({ kind: 'start', bootstrap: bootstrapOf(listeners, clusters, more) });
  const { ports } = await started;
  return {
    child,
    portOf(listener) {
      const port = ports[listener];
      if (!port) throw new Error(`listener ${listener} is not bound`);
      return port;
    },
    measure() {
      const measured = hear('measured');
      tell({ kind: 'measure' });
      return measured;
    },
    async fill(share) {
      const filled = hear('filled');
      tell({ kind: 'fill', share });
      await filled;
    },
    hasDied: () => child.exitCode !== null || child.signalCode !== null,
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      tell({ kind: 'stop' });
      const kill = setTimeout(() => child.kill('SIGKILL'), 3000);
      await exit;
      clearTimeout(kill);
    },
  };
}

function died(): never {
  throw new Error('the proxy process died');
}
