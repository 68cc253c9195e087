// One run of one container: a process in the pod's namespaces, or a builtin inside this process.

import type { ChildProcess } from 'node:child_process';
import type { Writable } from 'node:stream';
import { type Clock, delay, messageOf } from '@lateen/base';
import type { Container, Pod } from '@lateen/kube/types';
import type { BuiltinContainer, PodProcessRequest, PodSandbox } from '../contracts.ts';
import type { ContainerLog, LogStream } from './container-log.ts';

export type ContainerExit = { exitCode: number; signal: NodeJS.Signals | undefined; reason: string; message: string | undefined };

export type OutputListener = (stream: LogStream, chunk: Buffer) => void;

export type ContainerRun = {
  /** Resolves, never rejects, when the container is gone and its log is complete. */
  readonly exited: Promise<ContainerExit>;
  /** Undefined when the container did not ask for `stdin`. */
  readonly stdin: Writable | undefined;
  /** Asks it to end: SIGTERM, or the builtin's stop signal. */
  terminate(): void;
  /** SIGKILL. A builtin cannot be killed: it counts as gone. */
  kill(): void;
  /** Output from now on, for attach. Gives a function that stops it. */
  onOutput(listener: OutputListener): () => void;
};

export type ProcessRunRequest = Omit<PodProcessRequest, 'stdio'> & { stdin: boolean };

/** Starts the container's process. Failing to start is an exit with reason StartError. */
export function startProcessRun(sandbox: PodSandbox, request: ProcessRunRequest, log: ContainerLog): ContainerRun {
  const { stdin, ...rest } = request;
  const listeners = new Set<OutputListener>();
  const output = (stream: LogStream) => (chunk: Buffer) => {
    log.write(stream, chunk);
    for (const listener of listeners) listener(stream, chunk);
  };
  const onOutput = subscribe(listeners);
  let child: ChildProcess;
  try {
    child = sandbox.spawn({ ...rest, stdio: [stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'] });
  } catch (error) {
    log.end();
    return { exited: Promise.resolve(startError(error)), stdin: undefined, terminate() {}, kill() {}, onOutput };
  }
  child.stdout?.on('data', output('stdout')).on('error', () => {});
  child.stderr?.on('data', output('stderr')).on('error', () => {});
  child.stdin?.on('error', () => {});
  const exited = new Promise<ContainerExit>((resolve) => {
    child.once('error', (error) => resolve(startError(error)));
    // 'close' and not 'exit': the last output must be in the log.
    child.once('close', (code, signal) => resolve(processExit(code, signal)));
  }).then((exit) => {
    log.end();
    return exit;
  });
  return {
    exited,
    stdin: child.stdin ?? undefined,
    terminate: () => void child.kill('SIGTERM'),
    kill: () => void child.kill('SIGKILL'),
    onOutput,
  };
}

export type BuiltinRunRequest = {
  pod: Pod;
  container: Container;
  argv: string[];
  env: Record<string, string>;
  sandbox: PodSandbox;
  mounts: ReadonlyMap<string, string>;
};

/** Runs a builtin; one that throws ends with exit code 1 and its error in the log. */
export function startBuiltinRun(builtin: BuiltinContainer, request: BuiltinRunRequest, log: ContainerLog): ContainerRun {
  const listeners = new Set<OutputListener>();
  const stop = new AbortController();
  const killed = Promise.withResolvers<ContainerExit>();
  const write = (text: string) => {
    log.write('stdout', text);
    for (const listener of listeners) listener('stdout', Buffer.from(text));
  };
  // Deferred, so that a builtin that throws at once is an exit like any other.
  const ran = Promise.resolve()
    .then(() => builtin({ ...request, write, stop: stop.signal }))
    .then(({ exitCode }) => processExit(exitCode, null))
    .catch((error: unknown) => {
      write(`${messageOf(error)}\n`);
      return { ...processExit(1, null), message: messageOf(error) };
    });
  const exited = Promise.race([ran, killed.promise]).then((exit) => {
    stop.abort();
    log.end();
    return exit;
  });
  return {
    exited,
    stdin: undefined,
    terminate: () => stop.abort(),
    kill() {
      stop.abort();
      killed.resolve(processExit(null, 'SIGKILL'));
    },
    onOutput: subscribe(listeners),
  };
}

/** Asks the run to end and kills it when the grace period is over. */
export async function stopRun(run: ContainerRun, graceMs: number, clock: Clock): Promise<void> {
  run.terminate();
  const inTime = new AbortController();
  void run.exited.then(() => inTime.abort());
  const expired = await delay(clock, Math.max(0, graceMs), inTime.signal).then(
    () => true,
    () => false,
  );
  if (expired) run.kill();
  await run.exited;
}

const subscribe = (listeners: Set<OutputListener>) => (listener: OutputListener) => {
  listeners.add(listener);
  return () => void listeners.delete(listener);
};

const SIGNAL_NUMBERS: Partial<Record<NodeJS.Signals, number>> = { SIGHUP: 1, SIGINT: 2, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 };

function processExit(code: number | null, signal: NodeJS.Signals | null): ContainerExit {
  const exitCode = code ?? 128 + ((signal && SIGNAL_NUMBERS[signal]) ?? 0);
  return { exitCode, signal: signal ?? undefined, reason: exitCode === 0 ? 'Completed' : 'Error', message: undefined };
}

function startError(error: unknown): ContainerExit {
  return { exitCode: 128, signal: undefined, reason: 'StartError', message: messageOf(error) };
}
