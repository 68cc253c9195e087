// The host-side half of `lateen up`: starts the node process in its own namespaces, and does for it what needs the host's
// network. It stays in the host's namespace, holds no state, and dies or kills with its child.

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import type { Server, Socket } from 'node:net';
import { systemClock } from '@lateen/base';
import type { NetworkMode } from '../contracts.ts';
import { killGroup, localHostAccess, openServer } from './host-access.ts';
import type { HostReply, HostRequest } from './host-protocol.ts';

export type NodeProcessOptions = {
  mode: NetworkMode;
  /** Path of the module that the node process runs; it calls `connectHost`. */
  childModule: string;
  argv?: string[];
  /** Default: this process' own. */
  env?: Record<string, string | undefined>;
  /** Flags for Node itself. Default: this process' own. */
  execArgv?: string[];
  /** Standard streams. Default: inherited. */
  stdio?: Exclude<StdioOptions, string> | 'inherit' | 'pipe' | 'ignore';
  cwd?: string;
  /** Receives what the child sends by `report`. */
  onReport?: (value: unknown) => void;
};

export type NodeExit = { code: number | null; signal: NodeJS.Signals | null; error?: Error };

export type NodeProcess = {
  readonly child: ChildProcess;
  /** Resolves when the node process has ended, for whatever reason. The caller should then end too. */
  readonly exited: Promise<NodeExit>;
  /** Asks it to end, and kills it after `graceMs`. */
  stop(graceMs: number): Promise<NodeExit>;
};

/**
 * Root and rootless children own a new network, mount and UTS namespace. A child is in a session of its own, so that Ctrl-C
 * reaches only the parent; it is killed by the kernel when this process (precisely: this thread) ends.
 */
export function startNodeProcess(options: NodeProcessOptions): NodeProcess {
  const node = [process.execPath, ...(options.execArgv ?? process.execArgv), options.childModule, ...(options.argv ?? [])];
  const [program, ...argv] = [...namespaceCommand(options.mode), ...node] as [string, ...string[]];
  const stdio = options.stdio ?? 'inherit';
  const child = spawn(program, argv, {
    ...(options.env ? { env: options.env } : {}),
    stdio: [...(typeof stdio === 'string' ? [stdio, stdio, stdio] : stdio), 'ipc'],
    detached: true,
    ...(options.cwd ? { cwd: options.cwd } : {}),
  });
  const exited = new Promise<NodeExit>((resolve) => {
    child.once('error', (error) => resolve({ code: null, signal: null, error }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  serveHost(child, options.onReport);
  return {
    child,
    exited,
    async stop(graceMs) {
      if (child.connected) send(child, { kind: 'stop' });
      else child.kill('SIGKILL');
      const timer = systemClock.after(graceMs, () => void child.kill('SIGKILL'));
      const exit = await exited;
      timer.cancel();
      return exit;
    },
  };
}

/** The programs in front of Node. All of them exec, so the process and its IPC descriptor stay the same. */
export function namespaceCommand(mode: NetworkMode): string[] {
  const dieWithParent = ['setpriv', '--pdeathsig', 'KILL', '--'];
  // The UTS namespace is there so that a rootless process may come back to it after it made one for a pod.
  if (mode === 'root') return ['unshare', '--net', '--mount', '--uts', '--', ...dieWithParent];
  if (mode === 'rootless') return ['unshare', '--user', '--map-root-user', '--net', '--mount', '--uts', '--', ...dieWithParent];
  // Not killed with the parent: it must end its pods' process groups first, which it does when the parent's channel closes.
  return [];
}

function serveHost(child: ChildProcess, onReport: NodeProcessOptions['onReport']): void {
  const groups = new Set<number>();
  const answer = async (request: Extract<HostRequest, { id: number }>) => {
    const { id } = request;
    try {
      switch (request.kind) {
        case 'listen':
          return handOverServer(child, id, await openServer(request.address, { paused: true }));
        case 'dial':
          return send(child, { kind: 'reply', id }, await localHostAccess.dialFromHost(request.address));
        case 'lookup':
          return send(child, { kind: 'reply', id, result: await localHostAccess.lookupOnHost(request.name) });
        case 'query': {
          const reply = await localHostAccess.queryOnHost(Buffer.from(request.message, 'base64'));
          return send(child, { kind: 'reply', id, result: Buffer.from(reply).toString('base64') });
        }
      }
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      send(child, { kind: 'failed', id, code, message });
    }
  };
  child.on('message', (message) => {
    const request = message as HostRequest;
    if ('id' in request) void answer(request);
    else if (request.kind === 'report') onReport?.(request.value);
    else if (request.kind === 'adopt') groups.add(request.pid);
    else groups.delete(request.pid);
  });
  child.once('exit', () => {
    for (const pid of groups) killGroup(pid);
  });
}

// This process must not keep a copy of the listener: it would accept half of the connections. The few that it accepts until the
// handle has gone are passed on.
function handOverServer(child: ChildProcess, id: number, server: Server): void {
  server.on('connection', (socket) => send(child, { kind: 'accepted', id }, socket));
  send(child, { kind: 'reply', id }, server);
}

function send(child: ChildProcess, reply: HostReply, handle?: Server | Socket): void {
  const release = () => {
    if (!handle) return;
    if ('destroy' in handle) handle.destroy();
    else handle.close();
  };
  if (!child.connected) return release();
  child.send(reply, handle, {}, (error) => {
    if (error || (handle && 'close' in handle)) release();
  });
}
