// Programs run by tests: bounded in time, output collected.

import { type ChildProcess, spawn } from 'node:child_process';

export type RunResult = { code: number | null; stdout: string; stderr: string };
export type RunOptions = {
  env?: Record<string, string | undefined>;
  cwd?: string;
  input?: string;
  /** Default 60 s; then SIGKILL and an error. */
  timeoutMs?: number;
};

/** Runs to its end; any exit code is a result. Rejects when it cannot start or takes too long. */
export function run(command: string, args: string[], options: RunOptions = {}): Promise<RunResult> {
  const { timeoutMs = 60_000, input } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: options.cwd, env: { ...process.env, ...options.env }, stdio: ['pipe', 'pipe', 'pipe'] });
    const output = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => {
      output.stdout += chunk;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output.stderr += chunk;
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input ?? '');
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${command} ${args.join(' ')} took longer than ${timeoutMs} ms; so far:\n${output.stdout}${output.stderr}`));
    }, timeoutMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, ...output });
    });
  });
}

/** Like `run`, but an exit code other than 0 rejects with everything it printed. */
export async function runOk(command: string, args: string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, options);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} exited with ${code}\n${stdout}${stderr}`);
  return stdout;
}

/** Whether a program can be found and started. */
export async function hasProgram(command: string, args: string[] = ['--version']): Promise<boolean> {
  return run(command, args, { timeoutMs: 20_000 }).then(
    ({ code }) => code === 0,
    () => false,
  );
}

/** Waits for the end of a child process; its exit code or signal name. */
export function exitOf(child: ChildProcess): Promise<number | string> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  if (child.signalCode !== null) return Promise.resolve(child.signalCode);
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown')));
}
