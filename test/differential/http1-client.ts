// HTTP/1.1 to the proxy: bytes out, answers in.

import { connect } from 'node:net';
import type { Answer, Case, HeaderList, Request } from './model.ts';
import { requestsOf } from './model.ts';

export type Exchange = {
  answers: Answer[];
  closed?: boolean /** The connection stays open until then, so that its end does not meet what the proxy still does. */;
  close(): void;
};
/** Tells the upstream and the log which case this is, and what the upstream is to do. */
export type Tag = (upstream: Request['upstream']) => [name: string, value: string][];

/** Envoy names itself as the client of requests from 127.0.0.1, and would have to be compared machine by machine. */
export const CLIENT_ADDRESS = process.platform === 'linux' ? '127.0.0.2' : '127.0.0.1';
const TIMEOUT_MS = 6000;
/** Longer than Envoy waits for the other side (delayed_close_timeout). */
const CLOSE_TIMEOUT_MS = 1300;

/** Runs a case on one connection to 127.0.0.1:port. */
export async function exchangeHttp1(port: number, one: Case, tag: Tag): Promise<Exchange> {
  const connection = openConnection(port);
  const answers: Answer[] = [];
  if ('raw' in one.request) {
    const { raw, answers: count = 1, isHead = false, upstream } = one.request;
    const lines = linesOf(tag(upstream));
    for (const [i, part] of raw.entries()) {
      if (i > 0) await pause();
      connection.write(part.replaceAll('{tag}', lines));
    }
    for (let i = 0; i < count; i++) answers.push(await connection.read(isHead));
  } else {
    for (const request of requestsOf(one)) {
      connection.write(bytesOf(request, tag));
      answers.push(await connection.read(request.method === 'HEAD'));
    }
  }
  const closed = one.seesClose ? { closed: await connection.ends() } : {};
  return { answers: answers.filter(({ status }) => status > 0), ...closed, close: connection.close };
}

/** 30 ms, and time for a proxy in this process to read what was sent, however late the timer was. */
async function pause(): Promise<void> {
  await new Promise((next) => setTimeout(next, 30));
  for (let turn = 0; turn < 5; turn++) await new Promise((next) => setImmediate(next));
}

const linesOf = (headers: readonly [string, string][]) => headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');

function bytesOf(request: Request, tag: Tag): string {
  const { method = 'GET', path = '/', host = 'example.test', headers = {}, body, chunks, trailers } = request;
  const list = Object.entries(headers).flatMap(([name, value]) => [value].flat().map((each): [string, string] => [name, each]));
  if (body !== undefined) list.push(['content-length', String(Buffer.byteLength(body))]);
  if (chunks) list.push(['transfer-encoding', 'chunked']);
  const head = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${linesOf([...list, ...tag(request.upstream)])}\r\n`;
  if (!chunks) return head + (body ?? '');
  const ending = Object.entries(trailers ?? {}).map(([name, value]): [string, string] => [name, String(value)]);
  return `${head}${chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')}0\r\n${linesOf(ending)}\r\n`;
}

function openConnection(port: number) {
  const socket = connect({ host: '127.0.0.1', port, localAddress: CLIENT_ADDRESS, allowHalfOpen: true });
  let text = '';
  let ended = false;
  let wake = () => {};
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    text += chunk;
    wake();
  });
  const onEnd = () => {
    ended = true;
    wake();
  };
  socket.on('end', onEnd);
  socket.on('error', onEnd);
  socket.on('close', onEnd);
  const untilMore = (timeoutMs: number) =>
    new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), timeoutMs);
      wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  return {
    write: (part: string) => void socket.write(Buffer.from(part, 'latin1')),
    /** One final answer with the informational ones before it; status 0 when the connection ends or nothing comes. */
    async read(isHead: boolean): Promise<Answer> {
      for (;;) {
        const parsed = parseAnswer(text, { isHead, ended });
        if (parsed) {
          text = text.slice(parsed.length);
          return parsed.answer;
        }
        if (ended) return { status: 0, headers: [], body: '' };
        if (!(await untilMore(TIMEOUT_MS)))
          return { status: -1, headers: [], body: `nothing more after ${JSON.stringify(text.slice(0, 200))}` };
      }
    },
    async ends(): Promise<boolean> {
      const deadline = Date.now() + CLOSE_TIMEOUT_MS;
      while (!ended && Date.now() < deadline) await untilMore(deadline - Date.now());
      return ended;
    },
    close: () => void socket.destroy(),
  };
}

type Parsed = { answer: Answer; length: number };

function parseAnswer(text: string, { isHead, ended }: { isHead: boolean; ended: boolean }): Parsed | undefined {
  const informational: number[] = [];
  let at = 0;
  for (;;) {
    const headEnd = text.indexOf('\r\n\r\n', at);
    if (headEnd < 0) return undefined;
    const [first = '', ...lines] = text.slice(at, headEnd).split('\r\n');
    const status = Number(first.split(' ')[1]);
    at = headEnd + 4;
    if (status >= 100 && status < 200 && status !== 101) {
      informational.push(status);
      continue;
    }
    const answer: Answer = { status, headers: headerList(lines), body: '', ...(informational.length > 0 && { informational }) };
    answer.written = writtenNames(lines);
    answer.reason = first.split(' ').slice(2).join(' ');
    const length = readBody(text, at, { answer, isHead, ended });
    return length < 0 ? undefined : { answer, length };
  }
}

function headerList(lines: readonly string[]): HeaderList {
  return lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
}

const writtenNames = (lines: readonly string[]): string[] => lines.map((line) => line.slice(0, line.indexOf(':'))).sort();

/** Fills in the body; gives where the answer ends, or -1 when it is not complete. */
function readBody(text: string, from: number, { answer, isHead, ended }: { answer: Answer; isHead: boolean; ended: boolean }): number {
  const value = (name: string) => answer.headers.find(([key]) => key === name)?.[1];
  const { status } = answer;
  if (isHead || status === 204 || status === 304) return from;
  if (status === 101) {
    // What follows an upgrade is no message: all that has come by now.
    answer.body = text.slice(from);
    return text.length;
  }
  const length = value('content-length');
  if (length !== undefined) {
    answer.body = text.slice(from, from + Number(length));
    if (answer.body.length === Number(length)) return from + Number(length);
    if (ended) answer.reset = 'incomplete body';
    return ended ? text.length : -1;
  }
  if (value('transfer-encoding') !== 'chunked') {
    answer.body = text.slice(from);
    return ended ? text.length : -1;
  }
  return readChunks(text, from, { answer, ended });
}

function readChunks(text: string, from: number, { answer, ended }: { answer: Answer; ended: boolean }): number {
  const incomplete = () => {
    if (ended) answer.reset = 'incomplete body';
    return ended ? text.length : -1;
  };
  let at = from;
  let body = '';
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return incomplete();
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (size === 0) {
      const end = text.indexOf('\r\n\r\n', lineEnd);
      if (end < 0) return incomplete();
      const trailers = end > lineEnd ? text.slice(lineEnd + 2, end).split('\r\n') : [];
      if (trailers.length > 0) answer.trailers = headerList(trailers);
      answer.written?.push(...writtenNames(trailers));
      answer.body = body;
      return end + 4;
    }
    if (lineEnd + 2 + size + 2 > text.length) return incomplete();
    body += text.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}
