// Whether a peer answers as the setup asks: seen before it is measured.

import { type ClientHttp2Session, connect } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { httpRequest } from '../../test/support/http.ts';
import { ADDED_RESPONSE_HEADER, REMOVED_RESPONSE_HEADER, REQUEST_PATH } from './setup.ts';

/** HTTP/1.1 without TLS, and the whole header work is seen to be done, so that no peer is measured doing less. */
export async function answersHttp1(port: number): Promise<boolean> {
  const answer = await httpRequest(`http://127.0.0.1:${port}${REQUEST_PATH}`, { timeoutMs: 2000 });
  return (
    answer.status === 200 && answer.headers[ADDED_RESPONSE_HEADER] === 'proxy' && answer.headers[REMOVED_RESPONSE_HEADER] === undefined
  );
}

/** HTTP/2 with prior knowledge. */
export function answersHttp2(path = REQUEST_PATH): (port: number) => Promise<boolean> {
  return async (port) => {
    const session = connect(`http://127.0.0.1:${port}`);
    session.on('error', () => {});
    try {
      return await statusOf(session, path);
    } finally {
      session.destroy();
    }
  };
}

/** Something listens. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

function statusOf(session: ClientHttp2Session, path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': path, ':method': 'POST', te: 'trailers' }, { endStream: true });
    const limit = setTimeout(() => reject(new Error('no answer')), 2000);
    stream.on('response', (headers) => {
      clearTimeout(limit);
      resolve(headers[':status'] === 200 && headers[ADDED_RESPONSE_HEADER] === 'proxy');
    });
    stream.on('error', reject);
    session.on('error', reject);
    session.on('close', () => reject(new Error('closed')));
    stream.resume();
  });
}
