// An HTTP/2 client of frames: sends what it is told, keeps what it gets. Over plaintext (prior knowledge) or TLS (ALPN h2).

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { eventually } from '@lateen/base/testing';
import { ERROR, FLAG, PREFACE, settings, settingsAck, TYPE } from './frames.ts';
import { block, type Field, HpackDecoder } from './hpack.ts';

export type Frame = { type: number; flags: number; stream: number; payload: Buffer };

export type Answer = {
  status: number;
  headers: Field[];
  body: string;
  trailers: Field[] | undefined;
  ended: boolean;
  resetCode: number | undefined;
};

export type FrameClientOptions = {
  tls?: boolean;
  /** Sent with the preface. */
  settings?: readonly (readonly [id: number, value: number])[];
  /** Default true: preface and SETTINGS are sent, the server's SETTINGS awaited and acknowledged. */
  handshake?: boolean;
};

/** The code that a bare close has where it is tolerated. */
export const BARE_CLOSE = -1;

export class FrameClient {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  /** Latest value of each setting of the server. */
  readonly serverSettings = new Map<number, number>();
  /** The end of the connection counts as GOAWAY with any code (Envoy often says none). */
  toleratesBareClose = false;
  /** Settings frames of the server are acknowledged. */
  acknowledges = true;
  closed = false;
  private readonly answers = new Map<number, Answer>();
  private readonly decoder = new HpackDecoder();
  private pending: Buffer = Buffer.alloc(0);
  private blockParts: Buffer[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => this.read(bytes));
    for (const event of ['error', 'end', 'close']) {
      socket.on(event, () => {
        this.closed = true;
      });
    }
  }

  send(...parts: readonly Buffer[]): void {
    if (!this.closed) this.socket.write(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
  }

  /** As `send`; resolves once the kernel has it. For floods. */
  async push(bytes: Buffer): Promise<void> {
    if (this.closed || this.socket.destroyed) return;
    if (!this.socket.write(bytes)) await Promise.race([once(this.socket, 'drain'), once(this.socket, 'close')]).catch(() => {});
  }

  private read(bytes: Buffer): void {
    this.pending = this.pending.length === 0 ? bytes : Buffer.concat([this.pending, bytes]);
    let at = 0;
    while (this.pending.length - at >= 9) {
      const size = this.pending.readUIntBE(at, 3);
      if (this.pending.length - at < 9 + size) break;
      const stream = this.pending.readUInt32BE(at + 5) & 0x7fffffff;
      const payload = this.pending.subarray(at + 9, at + 9 + size);
      this.take({ type: this.pending[at + 3]!, flags: this.pending[at + 4]!, stream, payload });
      at += 9 + size;
    }
    this.pending = this.pending.subarray(at);
  }

  private take(one: Frame): void {
    this.frames.push(one);
    const { type, flags, stream, payload } = one;
    if (type === TYPE.settings && (flags & FLAG.ack) === 0) {
      for (let i = 0; i + 6 <= payload.length; i += 6) this.serverSettings.set(payload.readUInt16BE(i), payload.readUInt32BE(i + 2));
      if (this.acknowledges) this.send(settingsAck());
    } else if (type === TYPE.headers || type === TYPE.continuation) {
      this.blockParts.push(payload);
      if (type === TYPE.headers && (flags & FLAG.endStream) !== 0) this.answer(stream).ended = true;
      if ((flags & FLAG.endHeaders) !== 0) this.takeBlock(stream);
    } else if (type === TYPE.data) {
      const answer = this.answer(stream);
      answer.body += payload.toString('latin1');
      answer.ended ||= (flags & FLAG.endStream) !== 0;
    } else if (type === TYPE.rstStream) this.answer(stream).resetCode = payload.readUInt32BE(0);
  }

  private takeBlock(stream: number): void {
    const fields = this.decoder.decode(Buffer.concat(this.blockParts));
    this.blockParts = [];
    const answer = this.answer(stream);
    const status = fields.find(([name]) => name === ':status')?.[1];
    if (status === undefined) answer.trailers = fields;
    else {
      answer.status = Number(status);
      answer.headers = fields;
    }
  }

  answer(stream: number): Answer {
    let answer = this.answers.get(stream);
    if (!answer) {
      answer = { status: 0, headers: [], body: '', trailers: undefined, ended: false, resetCode: undefined };
      this.answers.set(stream, answer);
    }
    return answer;
  }

  /** Code of the GOAWAY that came, or undefined. */
  get goawayCode(): number | undefined {
    const code = this.frames.find(({ type }) => type === TYPE.goaway)?.payload.readUInt32BE(4);
    return code === undefined && this.toleratesBareClose && this.closed ? BARE_CLOSE : code;
  }

  has(type: number, flags = 0): boolean {
    return this.frames.some((one) => one.type === type && (one.flags & flags) === flags);
  }

  /** Waits until `isDone`; the error tells what came instead. */
  async until(what: string, isDone: () => boolean, timeoutMs = 10_000): Promise<void> {
    const isOver = () => isDone() || this.closed;
    await eventually(isOver, { timeoutMs, intervalMs: 2 }).catch(() => {});
    if (!isDone()) throw new Error(`not seen: ${what}. ${this.summary()}`);
  }

  async ended(stream: number, timeoutMs = 10_000): Promise<Answer> {
    await this.until(
      `the end of stream ${stream}`,
      () => this.answer(stream).ended || this.answer(stream).resetCode !== undefined,
      timeoutMs,
    );
    return this.answer(stream);
  }

  /** What came, for messages. */
  summary(): string {
    const names = Object.entries(TYPE);
    const shown = this.frames.slice(-12).map(({ type, flags, stream, payload }) => {
      const name = names.find(([, number]) => number === type)?.[0] ?? type;
      const code = type === TYPE.goaway ? payload.readUInt32BE(4) : type === TYPE.rstStream ? payload.readUInt32BE(0) : undefined;
      const status = type === TYPE.headers ? ` ${this.answer(stream).status}` : '';
      return `${name}(stream ${stream}, flags ${flags}, ${payload.length} B${code === undefined ? '' : `, code ${code}`}${status})`;
    });
    return `came: ${shown.join(', ') || 'nothing'}${this.closed ? ', closed' : ''}`;
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Opens a connection to 127.0.0.1:port; the caller closes it. */
export async function openFrames(port: number, options: FrameClientOptions = {}): Promise<FrameClient> {
  const { tls = false, handshake = true } = options;
  const socket = tls
    ? connectTls({ host: '127.0.0.1', port, ALPNProtocols: ['h2'], servername: 'a.test', rejectUnauthorized: false })
    : connect({ host: '127.0.0.1', port, noDelay: true });
  socket.setNoDelay(true);
  const client = new FrameClient(socket);
  await once(socket, tls ? 'secureConnect' : 'connect');
  if (!handshake) return client;
  client.send(PREFACE, settings(options.settings ?? []));
  await client.until('the SETTINGS of the server', () => client.has(TYPE.settings));
  await client.until('the acknowledgement of SETTINGS', () => client.has(TYPE.settings, FLAG.ack));
  return client;
}

/** The usual request, with these changes: a value of undefined leaves the pseudo-header out. */
export function requestFields(
  changes: Partial<Record<'method' | 'scheme' | 'path' | 'authority', string | undefined>> = {},
  more: readonly Field[] = [],
): Field[] {
  const pseudo = { method: 'GET', scheme: 'http', path: '/x', authority: 'a.test', ...changes };
  const fields = Object.entries(pseudo).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return [...fields.map(([name, value]): Field => [`:${name}`, value]), ...more];
}

export const requestBlock = (...args: Parameters<typeof requestFields>): Buffer => block(requestFields(...args));
export const postBlock = (more: readonly Field[] = []): Buffer => requestBlock({ method: 'POST' }, more);
export const anyCode = Object.values(ERROR);
