// Sends exactly these bytes in exactly these pieces, and reads the answers that come.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';

/** How a payload is cut into writes: the parser must not care. */
export const DELIVERIES = ['whole', 'byte by byte', 'split at each CRLF'] as const;
export type Delivery = (typeof DELIVERIES)[number];

export function piecesOf(payload: string, delivery: Delivery): string[] {
  if (delivery === 'whole') return [payload];
  if (delivery === 'byte by byte') return [...payload];
  // Between CR and LF: a line end that arrives in two reads.
  return payload.split(/(?<=\r)(?=\n)/);
}

export type RawAnswer = {
  status: number;
  /** As they came, names in lower case. */
  fields: [name: string, value: string][];
  /** By name; the last of several. */
  headers: Map<string, string>;
  body: string;
};

/** Long enough for a busy machine: a wait ends as soon as it can. */
const WAIT_MS = 10_000;

export type RawClient = {
  readonly socket: Socket;
  /** Everything received, latin1. */
  text(): string;
  isClosed(): boolean;
  /** Writes the pieces one by one, each in its own turn of the event loop; stops when the peer closed. */
  send(pieces: readonly (string | Buffer)[]): Promise<void>;
  answers(isHead?: boolean): RawAnswer[];
  /** Waits for this many answers of any status; default 10 s, as below. */
  expectAnswers(count: number, options?: { timeoutMs?: number; isHead?: boolean }): Promise<RawAnswer[]>;
  /** Waits for the first answer that is not informational. */
  expectFinal(timeoutMs?: number): Promise<RawAnswer>;
  /** Waits for this many of them; gives these only. */
  expectFinals(count: number, timeoutMs?: number): Promise<RawAnswer[]>;
  /** Waits until the text holds `part`. */
  expectText(part: string, timeoutMs?: number): Promise<void>;
  /** Waits for the end of the connection; gives how long it took, or undefined when it did not end. */
  closedWithin(timeoutMs: number): Promise<number | undefined>;
  close(): void;
};

/** Opens a connection to 127.0.0.1:port; the caller closes it. */
export async function openRaw(port: number): Promise<RawClient> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
  let text = '';
  let closed = false;
  let changed = () => {};
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
    changed();
  });
  const onClosed = () => {
    closed = true;
    changed();
  };
  for (const event of ['error', 'end', 'close']) socket.on(event, onClosed);
  await once(socket, 'connect');
  const until = async (isDone: () => boolean, timeoutMs: number): Promise<boolean> => {
    const deadline = performance.now() + timeoutMs;
    while (!isDone()) {
      const left = deadline - performance.now();
      if (left <= 0) return false;
      const stop = new AbortController();
      await Promise.race([
        new Promise<void>((resolve) => {
          changed = resolve;
        }),
        sleep(left, undefined, { signal: stop.signal }).catch(() => {}),
      ]);
      stop.abort();
    }
    return true;
  };
  const fail = (what: string): never => {
    throw new Error(`${what}${closed ? ', closed' : ''}: ${JSON.stringify(text.slice(-2000))}`);
  };
  const answers = (isHead = false) => parseAnswers(text, { isHead, closed });
  const isFinal = ({ status }: RawAnswer) => status === 101 || status >= 200;
  const expectFinals = async (count: number, timeoutMs = WAIT_MS) => {
    const finals = () => answers().filter(isFinal);
    await until(() => finals().length >= count || closed, timeoutMs);
    return finals().length >= count ? finals() : fail(`${finals().length} of ${count} final answers`);
  };
  return {
    socket,
    text: () => text,
    isClosed: () => closed,
    async send(pieces) {
      for (const [i, piece] of pieces.entries()) {
        if (i > 0) await turn();
        if (closed) return;
        socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece);
      }
    },
    answers,
    async expectAnswers(count, { timeoutMs = WAIT_MS, isHead = false } = {}) {
      const found = await until(() => answers(isHead).length >= count || closed, timeoutMs);
      if (!found || answers(isHead).length < count) {
        fail(`${answers(isHead).length} of ${count} answers`);
      }
      return answers(isHead);
    },
    expectFinals,
    expectFinal: async (timeoutMs) => (await expectFinals(1, timeoutMs))[0]!,
    async expectText(part, timeoutMs = WAIT_MS) {
      if (!(await until(() => text.includes(part) || closed, timeoutMs)) || !text.includes(part)) fail(`no ${JSON.stringify(part)}`);
    },
    async closedWithin(timeoutMs) {
      const startedMs = performance.now();
      return (await until(() => closed, timeoutMs)) ? performance.now() - startedMs : undefined;
    },
    close: () => socket.destroy(),
  };
}

type Reading = { isHead: boolean; closed: boolean };

function parseAnswers(text: string, { isHead, closed }: Reading): RawAnswer[] {
  const found: RawAnswer[] = [];
  let at = 0;
  while (at < text.length) {
    const headEnd = text.indexOf('\r\n\r\n', at);
    if (headEnd < 0) break;
    const [first = '', ...lines] = text.slice(at, headEnd).split('\r\n');
    const fields = lines.map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    });
    const status = Number(/^HTTP\/1\.[01] ([0-9]{3})/.exec(first)?.[1]);
    const answer: RawAnswer = { status, fields, headers: new Map(fields), body: '' };
    if (Number.isNaN(answer.status)) throw new Error(`not an answer: ${JSON.stringify(text.slice(at, at + 300))}`);
    const end = bodyEnd(text, headEnd + 4, answer, { isHead, closed });
    if (end < 0) break;
    found.push(answer);
    at = end;
    if (answer.status === 101) break;
  }
  return found;
}

/** Fills in the body; gives where it ends, -1 when it is not complete. */
function bodyEnd(text: string, from: number, answer: RawAnswer, { isHead, closed }: Reading): number {
  const { status, headers } = answer;
  if (isHead || status < 200 || status === 204 || status === 304) return from;
  if (headers.get('transfer-encoding') === 'chunked') return chunkedEnd(text, from, answer);
  const length = headers.get('content-length');
  if (length === undefined) {
    answer.body = text.slice(from);
    return closed ? text.length : -1;
  }
  answer.body = text.slice(from, from + Number(length));
  return from + Number(length) <= text.length ? from + Number(length) : -1;
}

function chunkedEnd(text: string, from: number, answer: RawAnswer): number {
  let at = from;
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return -1;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (Number.isNaN(size)) throw new Error(`not a chunk: ${JSON.stringify(text.slice(at, at + 100))}`);
    at = lineEnd + 2;
    if (size === 0) {
      if (text.startsWith('\r\n', at)) return at + 2;
      const end = text.indexOf('\r\n\r\n', at);
      return end < 0 ? -1 : end + 4;
    }
    if (at + size + 2 > text.length) return -1;
    answer.body += text.slice(at, at + size);
    at += size + 2;
  }
}
