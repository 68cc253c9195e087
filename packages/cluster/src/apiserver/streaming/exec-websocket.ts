// exec and attach over a WebSocket, sub-protocols v5.channel.k8s.io and v4.channel.k8s.io: the first byte of each message is the
// channel.

import { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { messageOf } from '@lateen/base';
import type { WebSocket } from 'ws';
import type { ExecResult, ExecStreams } from '../../contracts.ts';
import { execStatus } from './exec-status.ts';

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
const ERROR = 3;
const RESIZE = 4;
/** v5: the channel in the second byte is at its end. */
const CLOSE = 255;

export type ExecWants = { stdin: boolean; stdout: boolean; stderr: boolean; tty: boolean };
export type RunExec = (streams: ExecStreams) => Promise<ExecResult>;

/** Runs a command on the socket and closes it. */
export async function serveExecWebSocket(socket: WebSocket, wants: ExecWants, run: RunExec): Promise<void> {
  const stdin = wants.stdin ? new Readable({ read: () => socket.resume() }) : undefined;
  const output = (channel: number) =>
    new Writable({
      write: (chunk: Buffer, _encoding, done) =>
        socket.send(Buffer.concat([Buffer.of(channel), chunk]), { binary: true }, (error) => done(error)),
    });
  const stdout = wants.stdout ? output(STDOUT) : undefined;
  const stderr = wants.stderr && !wants.tty ? output(STDERR) : undefined;
  const resizers: ((columns: number, rows: number) => void)[] = [];
  for (const stream of [stdin, stdout, stderr]) stream?.on('error', () => {}); // the socket's end is noticed elsewhere
  socket.on('message', (data: Buffer, isBinary) =>
    onMessage(isBinary ? data : Buffer.from(data.toString(), 'base64'), { stdin, resizers, socket }),
  );
  socket.on('close', () => stdin?.push(null));
  const result = await run({ stdin, stdout, stderr, resize: (onResize) => void resizers.push(onResize) }).catch(
    (error: unknown): ExecResult => ({ error: messageOf(error) }),
  );
  await Promise.all([drained(stdout), drained(stderr)]);
  socket.send(Buffer.concat([Buffer.of(ERROR), Buffer.from(JSON.stringify(execStatus(result)))]), () => socket.close(1000));
}

function onMessage(
  message: Buffer,
  to: { stdin: Readable | undefined; resizers: ((columns: number, rows: number) => void)[]; socket: WebSocket },
): void {
  const [channel, second] = message;
  const payload = message.subarray(1);
  if (channel === STDIN && payload.length > 0 && to.stdin && !to.stdin.push(payload)) to.socket.pause();
  if (channel === CLOSE && second === STDIN) to.stdin?.push(null);
  if (channel === RESIZE) resize(payload, to.resizers);
}

/** Reads a terminal size message, {"Width":80,"Height":24}. */
export function resize(payload: Buffer, resizers: readonly ((columns: number, rows: number) => void)[]): void {
  try {
    const size = JSON.parse(payload.toString()) as { Width?: number; Height?: number };
    for (const notify of resizers) notify(Number(size.Width ?? 0), Number(size.Height ?? 0));
  } catch {
    // not a size
  }
}

/** Resolves when everything written has gone out. */
export async function drained(stream: Writable | undefined): Promise<void> {
  if (!stream || stream.destroyed) return;
  if (!stream.writableEnded) stream.end();
  // Of a duplex stream only our half counts.
  await finished(stream, { readable: false }).catch(() => {});
}
