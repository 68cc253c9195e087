// Reading without allocation: the kernel writes into one buffer, which is consumed (or copied) within the read call, so that
// every connection of the process can use the same memory. Outgoing sockets get it by the documented `onread`. Accepted ones
// have no such option in node:net, so the same fields are set by hand; where Node does not have them, 'data' serves as well.

import { Socket } from 'node:net';

// Holds a body of 64 KiB with its head, so that it takes one read.
const READ_BYTES = 256 * 1024;
export const sharedRead: Buffer = Buffer.allocUnsafeSlow(READ_BYTES);

const VIEWS = 2048;
const views: (Buffer | undefined)[] = new Array(VIEWS).fill(undefined);

/** The first `size` bytes of `sharedRead`. Small views are made once: the same sizes come again and again. */
export function sharedView(size: number): Buffer {
  if (size >= VIEWS) return sharedRead.subarray(0, size);
  views[size] ??= sharedRead.subarray(0, size);
  return views[size] as Buffer;
}

type Internals = Socket & { [field: symbol]: unknown; _handle?: { useUserBuffer?(buffer: Buffer): void } | null };

const fields = findFields();

function findFields(): { buffer: symbol; callback: symbol } | undefined {
  const marker = Buffer.alloc(1);
  const onread = () => true;
  const probe = new Socket({ onread: { buffer: marker, callback: onread } } as ConstructorParameters<typeof Socket>[0]) as Internals;
  const symbols = Object.getOwnPropertySymbols(probe);
  const buffer = symbols.find((symbol) => probe[symbol] === marker);
  const callback = symbols.find((symbol) => probe[symbol] === onread);
  probe.destroy();
  return buffer && callback ? { buffer, callback } : undefined;
}

/** Makes an accepted socket read into `sharedRead`; false when it must be read through 'data'. */
export function readIntoShared(socket: Socket, onBytes: (bytes: Buffer) => void): boolean {
  return socket.constructor === Socket && readSharedFrom(socket, onBytes);
}

/** The same for any socket with a handle that can do it (TLS sessions). Nothing may have been read from it yet. */
export function readSharedFrom(socket: Socket, onBytes: (bytes: Buffer) => void): boolean {
  const internals = socket as Internals;
  const { _handle: handle } = internals;
  if (!fields || socket.readableLength > 0 || typeof handle?.useUserBuffer !== 'function') return false;
  internals[fields.buffer] = sharedRead;
  internals[fields.callback] = (size: number) => {
    onBytes(sharedView(size));
    return true;
  };
  handle.useUserBuffer(sharedRead);
  return true;
}
