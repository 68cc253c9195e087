// The TCP handle under a net.Socket, used without the stream on top, which costs more than the system calls themselves. None of
// this is public interface of Node, so nothing here is used before a look at its shape and a round trip over loopback have shown
// that it works as known; otherwise everything runs over sockets as before.

import { connect, createServer, Socket } from 'node:net';
import { getSystemErrorMap } from 'node:util';
import { readIoSettings } from './settings.ts';

/** A write that is under way. May be reused for as long as writes end at once. */
export type WriteRequest = object & { oncomplete?: (this: WriteRequest, status: number) => void; bytes?: unknown };

export type TcpHandle = {
  readonly fd: number;
  /** Read by node:net: true keeps it from starting to read by itself. */
  reading: boolean;
  onread: (this: TcpHandle) => void;
  readStart(): number;
  readStop(): number;
  useUserBuffer(buffer: Buffer): void;
  writeBuffer(request: WriteRequest, bytes: Buffer): number;
  writev(request: WriteRequest, pieces: readonly Buffer[], allBuffers: true): number;
};

type StreamBinding = {
  readonly WriteWrap: new () => WriteRequest;
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
  readonly kLastWriteWasAsync: number;
};

const METHODS = ['readStart', 'readStop', 'useUserBuffer', 'writeBuffer', 'writev', 'getsockname', 'reset'] as const;

const binding = findBinding();

function findBinding(): StreamBinding | undefined {
  try {
    const found = (process as unknown as { binding(name: string): Partial<StreamBinding> }).binding('stream_wrap');
    const { WriteWrap, streamBaseState, kReadBytesOrError, kLastWriteWasAsync } = found;
    const isKnown =
      typeof WriteWrap === 'function' &&
      streamBaseState instanceof Int32Array &&
      typeof kReadBytesOrError === 'number' &&
      typeof kLastWriteWasAsync === 'number';
    return isKnown ? (found as StreamBinding) : undefined;
  } catch {
    return undefined;
  }
}

const state: Int32Array = binding?.streamBaseState ?? new Int32Array(8);
const READ_RESULT = binding?.kReadBytesOrError ?? 0;
const WAS_ASYNC = binding?.kLastWriteWasAsync ?? 0;

/** In `onread`: how many bytes are in the buffer, or a negative error. */
export const readResult = (): number => state[READ_RESULT] as number;
/** After a write: it has not ended, and its request and bytes must be left alone until `oncomplete`. */
export const lastWriteIsPending = (): boolean => state[WAS_ASYNC] !== 0;
export const newWriteRequest = (): WriteRequest => new (binding as StreamBinding).WriteWrap();

const ERRORS = getSystemErrorMap();
export const END_OF_FILE: number = [...ERRORS].find(([, [name]]) => name === 'EOF')?.[0] ?? -4095;
/** "ECONNRESET" for the number that a handle gave. */
export const errorName = (error: number): string => ERRORS.get(error)?.[0] ?? `E${-error}`;

type Inner = { _handle?: (Partial<TcpHandle> & object) | null };

/** The handle of a plain TCP socket from which nothing has been read; undefined for pipes, TLS and what looks unfamiliar. */
export function tcpHandleOf(socket: Socket): TcpHandle | undefined {
  const { _handle: handle } = socket as unknown as Inner;
  if (!binding || socket.constructor !== Socket || socket.readableLength > 0 || !handle) return undefined;
  const isKnown =
    METHODS.every((method) => typeof (handle as Record<string, unknown>)[method] === 'function') &&
    typeof handle.fd === 'number' &&
    typeof handle.onread === 'function';
  return isKnown ? (handle as TcpHandle) : undefined;
}

let verdict: 'untested' | 'testing' | 'good' | 'bad' = 'untested';
const settings = readIoSettings();
if (settings.kind !== 'auto') verdict = settings.kind === 'handle' && binding ? 'good' : 'bad';

/** Whether handles may be used now. The first question starts the self-test. */
export function handlesAreUsable(): boolean {
  if (verdict === 'untested') {
    verdict = 'testing';
    selfTest((passed) => {
      verdict = passed ? 'good' : 'bad';
    });
  }
  return verdict === 'good';
}

/** Sends bytes over a loopback connection from handle to handle, and hears the end of the stream. */
function selfTest(done: (passed: boolean) => void): void {
  const sent = Buffer.from('lateen');
  const buffer = Buffer.alloc(64);
  let received = '';
  const sockets: Socket[] = [];
  const finish = (passed: boolean) => {
    for (const socket of sockets) socket.destroy();
    server.close();
    done(passed);
  };
  const keep = (socket: Socket) => {
    socket.on('error', () => {});
    socket.unref();
    sockets.push(socket);
    return socket;
  };
  const server = createServer({ pauseOnConnect: false }, (accepted) => {
    const handle = tcpHandleOf(keep(accepted));
    if (!handle) return finish(false);
    handle.onread = () => {
      const size = readResult();
      if (size > 0) received += buffer.toString('latin1', 0, size);
      else finish(size === END_OF_FILE && received === 'lateenlateen');
    };
    handle.useUserBuffer(buffer);
  });
  server.on('error', () => done(false));
  server.listen(0, '127.0.0.1', () => {
    server.unref();
    const { port } = server.address() as { port: number };
    const client = keep(connect({ host: '127.0.0.1', port, allowHalfOpen: true }));
    client.once('connect', () => {
      const handle = tcpHandleOf(client);
      if (!handle) return finish(false);
      const first = handle.writeBuffer(newWriteRequest(), sent) === 0 && !lastWriteIsPending();
      const second = handle.writev(newWriteRequest(), [sent.subarray(0, 3), sent.subarray(3)], true) === 0 && !lastWriteIsPending();
      if (first && second) client.end();
      else finish(false);
    });
  });
}
