// HTTP/2 with prior knowledge to the proxy.

import { type ClientHttp2Session, connect, constants } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { CLIENT_ADDRESS, type Exchange, type Tag } from './http1-client.ts';
import { type Answer, type Case, type Request, requestsOf } from './model.ts';

const TIMEOUT_MS = 6000;

/** Runs a case on one connection to 127.0.0.1:port. */
export async function exchangeHttp2(port: number, one: Case, tag: Tag): Promise<Exchange> {
  const session = connect(`http://127.0.0.1:${port}`, {
    createConnection: () => connectTcp({ host: '127.0.0.1', port, localAddress: CLIENT_ADDRESS }),
  });
  session.on('error', () => {});
  const answers: Answer[] = [];
  for (const request of requestsOf(one)) answers.push(await ask(session, request, tag));
  return { answers, close: () => session.destroy() };
}

function ask(session: ClientHttp2Session, request: Request, tag: Tag): Promise<Answer> {
  const { method = 'GET', path = '/', host = 'example.test', headers = {}, body, chunks, trailers } = request;
  const all: Record<string, string | string[]> = { ':method': method, ':path': path, ':scheme': 'http', ':authority': host };
  for (const [name, value] of Object.entries(headers)) all[name.toLowerCase()] = value as string | string[];
  for (const [name, value] of tag(request.upstream)) all[name] = value;
  if (body !== undefined) all['content-length'] = String(Buffer.byteLength(body));
  const hasBody = body !== undefined || chunks !== undefined;
  return new Promise((resolve) => {
    const answer: Answer = { status: 0, headers: [], body: '' };
    const stream = session.request(all, { endStream: !hasBody && !trailers, waitForTrailers: trailers !== undefined });
    const timer = setTimeout(() => {
      answer.reset = 'no answer';
      stream.close(constants.NGHTTP2_CANCEL);
    }, TIMEOUT_MS);
    const finish = () => {
      clearTimeout(timer);
      if (stream.rstCode && stream.rstCode !== constants.NGHTTP2_CANCEL) answer.reset = `RST_STREAM ${stream.rstCode}`;
      resolve(answer);
    };
    stream.setEncoding('latin1');
    stream.on('headers', (informational) => {
      answer.informational = [...(answer.informational ?? []), Number(informational[':status'])];
    });
    stream.on('response', (received) => {
      answer.status = Number(received[':status']);
      answer.headers = flatten(received);
    });
    stream.on('trailers', (received) => {
      answer.trailers = flatten(received);
    });
    stream.on('data', (chunk: string) => {
      answer.body += chunk;
    });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers as Record<string, string>));
    stream.on('error', () => {});
    stream.on('close', finish);
    if (hasBody) {
      for (const chunk of chunks ?? [body as string]) if (chunk) stream.write(chunk);
      stream.end();
    } else if (trailers) stream.end();
  });
}

function flatten(headers: Record<string, unknown>): Answer['headers'] {
  return Object.entries(headers)
    .filter(([name]) => !name.startsWith(':'))
    .flatMap(([name, value]) => [value].flat().map((each): [string, string] => [name, String(each)]));
}
