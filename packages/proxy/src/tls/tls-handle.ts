// The handle under a TLSSocket. None of this is public interface of Node: see io/tcp-handle.ts, whose precautions hold here as well.

import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { connect, createSecureContext, TLSSocket } from 'node:tls';
import { END_OF_FILE, handlesAreUsable, lastWriteIsPending, newWriteRequest, readResult, type WriteRequest } from '../io/tcp-handle.ts';

export type TlsHandle = {
  reading: boolean;
  onread: (this: TlsHandle) => void;
  readStart(): number;
  readStop(): number;
  useUserBuffer(buffer: Buffer): void;
  writeBuffer(request: WriteRequest, bytes: Buffer): number;
};

const METHODS = ['readStart', 'readStop', 'useUserBuffer', 'writeBuffer', 'shutdown', 'destroySSL', 'verifyError'] as const;

type Inner = { _handle?: (Partial<TlsHandle> & object) | null };

/** The handle of a session from which nothing has been read; undefined when it looks unfamiliar. */
export function tlsHandleOf(session: TLSSocket): TlsHandle | undefined {
  const { _handle: handle } = session as unknown as Inner;
  if (session.constructor !== TLSSocket || session.readableLength > 0 || session.writableLength > 0 || !handle) return undefined;
  const isKnown = METHODS.every((method) => typeof (handle as Record<string, unknown>)[method] === 'function') && 'onread' in handle;
  return isKnown ? (handle as TlsHandle) : undefined;
}

let verdict: 'untested' | 'testing' | 'good' | 'bad' = 'untested';

/** Whether sessions may be used by their handles now. The first question starts the self-test. */
export function tlsHandlesAreUsable(): boolean {
  if (!handlesAreUsable()) return false;
  if (verdict === 'untested') {
    verdict = 'testing';
    selfTest((passed) => {
      verdict = passed ? 'good' : 'bad';
    });
  }
  return verdict === 'good';
}

// A key known to both sides: the test needs no certificate.
const TEST_SUITE = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ciphers: 'PSK-AES128-GCM-SHA256' } as const;
const TEST_KEY = { psk: Buffer.alloc(16, 1), identity: 'lateen' };
const TEST_PIECE = Buffer.alloc(20_000, 'lateen');
const TEST_PIECES = 3;

/** Sends records from handle to handle over loopback, with requests that are used again, then close_notify. */
function selfTest(done: (passed: boolean) => void): void {
  const sockets: Socket[] = [];
  const keep = <T extends Socket>(socket: T): T => {
    socket.on('error', () => finish(false));
    socket.unref();
    sockets.push(socket);
    return socket;
  };
  let isFinished = false;
  const finish = (passed: boolean) => {
    if (isFinished) return;
    isFinished = true;
    for (const socket of sockets) socket.destroy();
    server.close();
    done(passed);
  };
  const server = createServer((raw) => {
    const options = { isServer: true, secureContext: createSecureContext(TEST_SUITE), pskCallback: () => TEST_KEY.psk };
    const session = keep(new TLSSocket(keep(raw), options as ConstructorParameters<typeof TLSSocket>[1]));
    session.once('secure', () => receiveAll(session, finish));
  });
  server.on('error', () => finish(false));
  server.listen(0, '127.0.0.1', () => {
    server.unref();
    const { port } = server.address() as { port: number };
    const raw = keep(connectTcp({ host: '127.0.0.1', port }));
    raw.once('connect', () => {
      const session = connect({
        socket: raw,
        ...TEST_SUITE,
        pskCallback: () => TEST_KEY,
        checkServerIdentity: () => undefined,
        rejectUnauthorized: false,
      });
      keep(session).once('secureConnect', () => sendAll(session, finish));
    });
  });
}

function receiveAll(session: TLSSocket, finish: (passed: boolean) => void): void {
  const handle = tlsHandleOf(session);
  if (!handle) return finish(false);
  const buffer = Buffer.alloc(64 * 1024);
  const received: Buffer[] = [];
  handle.reading = true;
  handle.useUserBuffer(buffer);
  handle.onread = () => {
    const size = readResult();
    if (size > 0) received.push(Buffer.from(buffer.subarray(0, size)));
    else finish(size === END_OF_FILE && Buffer.concat(received).equals(Buffer.concat(new Array(TEST_PIECES).fill(TEST_PIECE))));
  };
  handle.readStart();
}

function sendAll(session: TLSSocket, finish: (passed: boolean) => void): void {
  const handle = tlsHandleOf(session);
  if (!handle) return finish(false);
  const requests = [newWriteRequest(), newWriteRequest()] as const;
  const scratch = Buffer.alloc(TEST_PIECE.length);
  let sent = 0;
  const send = () => {
    const request = requests[sent % 2 === 0 ? 0 : 1];
    request.oncomplete = (status) => {
      if (status !== 0) return finish(false);
      sent++;
      if (sent < TEST_PIECES) send();
      else session.end();
    };
    TEST_PIECE.copy(scratch);
    if (handle.writeBuffer(request, scratch) !== 0 || !lastWriteIsPending()) finish(false);
    // The bytes are the caller's again at once.
    scratch.fill(0);
  };
  send();
}
