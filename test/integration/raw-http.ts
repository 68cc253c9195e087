// HTTP/1.1 by hand: exactly these bytes out, and what came back, message by message.

import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export type RawAnswer = { status: number; headers: [name: string, value: string][]; body: string };
export type RawExchange = { answers: RawAnswer[]; closed: boolean };
export type RawRequest = {
  /** Sent one after the other, 30 ms apart. */
  parts: readonly (string | Buffer)[];
  /** How many answers to wait for; informational ones count. */
  answers: number;
  /** The request's method was HEAD: answers have no body. */
  head?: boolean;
};

/** Speaks with 127.0.0.1:port until the answers are there and 40 ms more (to see the connection end), at most 3 s. */
export async function exchangeRaw(port: number, { parts, answers, head = false }: RawRequest): Promise<RawExchange> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  const chunks: Buffer[] = [];
  let closed = false;
  socket.on('data', (bytes: Buffer) => chunks.push(bytes));
  socket.on('error', () => {
    closed = true;
  });
  socket.on('end', () => {
    closed = true;
  });
  try {
    for (const [i, part] of parts.entries()) {
      if (i > 0) await sleep(30);
      socket.write(typeof part === 'string' ? Buffer.from(part, 'latin1') : part);
    }
    const deadline = Date.now() + 3000;
    const parsed = () => parseAnswers(Buffer.concat(chunks).toString('latin1'), { head, closed });
    while (parsed().length < answers && !closed && Date.now() < deadline) await sleep(5);
    await sleep(40);
    return { answers: parsed(), closed };
  } finally {
    socket.destroy();
  }
}

function parseAnswers(text: string, { head, closed }: { head: boolean; closed: boolean }): RawAnswer[] {
  const found: RawAnswer[] = [];
  let at = 0;
  while (at < text.length) {
    const headEnd = text.indexOf('\r\n\r\n', at);
    if (headEnd < 0) break;
    const [first = '', ...lines] = text.slice(at, headEnd).split('\r\n');
    const headers = lines.map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    });
    const answer: RawAnswer = { status: Number(first.split(' ')[1]), headers, body: '' };
    const end = readBody(text, headEnd + 4, { answer, head, closed });
    if (end < 0) break;
    found.push(answer);
    at = end;
  }
  return found;
}

type Message = { answer: RawAnswer; head: boolean; closed: boolean };

/** Fills in the body; gives where it ends, or -1 when it is not complete. */
function readBody(text: string, from: number, { answer, head, closed }: Message): number {
  const value = (name: string) => answer.headers.find(([key]) => key === name)?.[1];
  const { status } = answer;
  if (head || status < 200 || status === 204 || status === 304) return from;
  const length = value('content-length');
  if (length !== undefined) {
    answer.body = text.slice(from, from + Number(length));
    return answer.body.length < Number(length) ? -1 : from + Number(length);
  }
  if (value('transfer-encoding') !== 'chunked') {
    answer.body = text.slice(from);
    return closed ? text.length : -1;
  }
  let at = from;
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return -1;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    const next = lineEnd + 2 + size + 2;
    if (next > text.length) return -1;
    if (size === 0) return next;
    answer.body += text.slice(lineEnd + 2, next - 2);
    at = next;
  }
}
