// Commands run inside a container beside its own process: `kubectl exec`, exec probes and hooks.

import type { ChildProcess } from 'node:child_process';
import { messageOf } from '@lateen/base';
import type { ExecResult, ExecStreams, PodSandbox } from '../contracts.ts';
import type { ProcessContext } from './container-launch.ts';
import { createLineInput, createLineOutput } from './line-terminal.ts';

export type ExecTarget = { sandbox: PodSandbox; process: ProcessContext; command: string[] };

const MAX_OUTPUT_BYTES = 10 * 1024;

function spawnCommand({ sandbox, process, command }: ExecTarget, stdin: 'ignore' | 'pipe'): ChildProcess {
  const { rewrite, ...shared } = process;
  return sandbox.spawn({ ...shared, argv: command.map(rewrite), stdio: [stdin, 'pipe', 'pipe'] });
}

/** Runs to the end and gives the beginning of what it wrote. @throws the signal's reason after killing it. */
export async function captureExec(target: ExecTarget, signal: AbortSignal): Promise<{ exitCode: number; output: string }> {
  const child = spawnCommand(target, 'ignore');
  let output = '';
  const collect = (chunk: Buffer) => {
    if (output.length < MAX_OUTPUT_BYTES) output += chunk.toString('utf8');
  };
  child.stdout?.on('data', collect);
  child.stderr?.on('data', collect);
  const exitCode = await exitOf(child, signal);
  signal.throwIfAborted();
  return { exitCode, output };
}

/** Runs with the caller's streams, which stay open. With `tty` they are those of a raw terminal (see line-terminal.ts). */
export async function streamExec(
  target: ExecTarget,
  streams: ExecStreams,
  options: { tty: boolean; signal: AbortSignal },
): Promise<ExecResult> {
  let child: ChildProcess;
  try {
    child = spawnCommand(target, streams.stdin ? 'pipe' : 'ignore');
  } catch (error) {
    return { error: messageOf(error) };
  }
  child.stdin?.on('error', () => {});
  streams.stdin?.on('error', () => {});
  const detach = options.tty ? connectTerminal(child, streams) : connectPipes(child, streams);
  try {
    return { exitCode: await exitOf(child, options.signal) };
  } catch (error) {
    return { error: messageOf(error) };
  } finally {
    detach();
  }
}

function connectPipes(child: ChildProcess, { stdin, stdout, stderr }: ExecStreams): () => void {
  const { stdin: input } = child;
  if (input) stdin?.pipe(input);
  // `end: false`: the caller's streams carry more than this process.
  if (stdout) child.stdout?.pipe(stdout, { end: false });
  else child.stdout?.resume();
  if (stderr) child.stderr?.pipe(stderr, { end: false });
  else child.stderr?.resume();
  return () => void (input && stdin?.unpipe(input));
}

function connectTerminal(child: ChildProcess, { stdin, stdout }: ExecStreams): () => void {
  const output = createLineOutput();
  if (stdout) output.pipe(stdout, { end: false });
  else output.resume();
  child.stdout?.pipe(output, { end: false });
  child.stderr?.pipe(output, { end: false });
  const { stdin: input } = child;
  if (!input || !stdin) return () => {};
  const lines = createLineInput({ echo: (bytes) => void stdout?.write(bytes), onInterrupt: () => void child.kill('SIGINT') });
  stdin.pipe(lines).pipe(input);
  return () => void stdin.unpipe(lines);
}

function exitOf(child: ChildProcess, signal: AbortSignal): Promise<number> {
  const kill = () => void child.kill('SIGKILL');
  if (signal.aborted) kill();
  signal.addEventListener('abort', kill, { once: true });
  return new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, killedBy) => resolve(code ?? (killedBy === 'SIGKILL' ? 137 : 143)));
  }).finally(() => signal.removeEventListener('abort', kill));
}
