// The node process' half: asks the parent for what needs the host's network. The end of the parent is the end of this process.

import type { Server, Socket } from 'node:net';
import { type HostAccess, killGroup, localHostAccess } from './host-access.ts';
import type { HostReply, HostRequest } from './host-protocol.ts';

/** Exit status of a node process whose parent went away (EX_SOFTWARE of sysexits). */
const EXIT_ORPHANED = 70;
const MAX_PENDING = 1024;

export type HostLink = HostAccess & {
  /** Gives a JSON value to the parent's `onReport`. */
  report(value: unknown): void;
  /** Proxy mode: process groups that the parent kills if this process ends without having done so. */
  adoptGroup(pid: number): void;
  releaseGroup(pid: number): void;
  /** Called once when the parent asks for an orderly end; the process must then exit by itself. */
  onStop(run: () => void): void;
  /** Lets the process end by itself. Requests fail afterwards. */
  close(): void;
};

/** For a process that `startNodeProcess` started. */
export function connectHost(): HostLink {
  if (!process.send) throw new Error('this module runs only as the child of startNodeProcess');
  let closed = false;
  let next = 1;
  let onStop: () => void = () => process.exit(0);
  const pending = new Map<number, { resolve(reply: HostReply, handle: unknown): void; reject(error: Error): void }>();
  const groups = new Set<number>();
  const servers = new Map<number, Server>();
  const early = new Map<number, Socket[]>();

  process.on('disconnect', () => {
    if (closed) return;
    for (const pid of groups) killGroup(pid);
    process.exit(EXIT_ORPHANED);
  });
  process.on('message', (message, handle) => {
    const reply = message as HostReply;
    if (reply.kind === 'stop') return onStop();
    if (reply.kind === 'accepted') {
      const server = servers.get(reply.id);
      if (server) server.emit('connection', adopt(handle as Socket));
      else early.set(reply.id, [...(early.get(reply.id) ?? []), handle as Socket]);
      return;
    }
    const waiting = pending.get(reply.id);
    pending.delete(reply.id);
    if (reply.kind === 'failed') waiting?.reject(Object.assign(new Error(reply.message), { code: reply.code }));
    else waiting?.resolve(reply, handle);
  });

  const post = (request: HostRequest) => void process.send?.(request, undefined, {}, () => {});
  const ask = <T>(make: (id: number) => HostRequest, take: (reply: HostReply & { kind: 'reply' }, handle: unknown) => T): Promise<T> =>
    new Promise((resolve, reject) => {
      if (closed || pending.size >= MAX_PENDING) return reject(Object.assign(new Error('the host does not answer'), { code: 'EAGAIN' }));
      const id = next++;
      pending.set(id, { resolve: (reply, handle) => resolve(take(reply as HostReply & { kind: 'reply' }, handle)), reject });
      post(make(id));
    });

  return {
    listenOnHost: (address) =>
      ask(
        (id) => ({ kind: 'listen', id, address }),
        ({ id }, handle) => {
          const server = handle as Server;
          Object.assign(server, { noDelay: true });
          server.on('error', () => {});
          servers.set(id, server);
          server.once('close', () => servers.delete(id));
          // After the caller has had the chance to listen for connections.
          setImmediate(() => {
            for (const socket of early.get(id) ?? []) server.emit('connection', adopt(socket));
            early.delete(id);
          });
          return server;
        },
      ),
    dialFromHost: (address) =>
      ask(
        (id) => ({ kind: 'dial', id, address }),
        (_reply, handle) => adopt(handle as Socket),
      ),
    lookupOnHost: (name) =>
      ask(
        (id) => ({ kind: 'lookup', id, name }),
        ({ result }) => result as string[],
      ),
    queryOnHost: (message) =>
      ask(
        (id) => ({ kind: 'query', id, message: Buffer.from(message).toString('base64') }),
        ({ result }) => Buffer.from(result as string, 'base64'),
      ),
    report: (value) => post({ kind: 'report', value }),
    adoptGroup(pid) {
      groups.add(pid);
      post({ kind: 'adopt', pid });
    },
    releaseGroup(pid) {
      groups.delete(pid);
      post({ kind: 'release', pid });
    },
    onStop(run) {
      onStop = run;
    },
    close() {
      closed = true;
      if (process.connected) process.disconnect?.();
    },
  };
}

/** The same services without a parent: for tests and for processes that live in the host's namespace themselves. */
export function createLocalHost(): HostLink {
  return { ...localHostAccess, report: () => {}, adoptGroup: () => {}, releaseGroup: () => {}, onStop: () => {}, close: () => {} };
}

function adopt(socket: Socket): Socket {
  socket.on('error', () => {});
  return socket.setNoDelay(true);
}
