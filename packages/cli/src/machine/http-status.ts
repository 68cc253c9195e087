import { request } from 'node:http';
import { messageOf } from '@lateen/base';

const TIMEOUT_MS = 5_000;

/** The status code of a GET as text, or what went wrong. Never rejects. */
export function httpStatus(url: string): Promise<string> {
  return new Promise((resolve) => {
    const outgoing = request(url, { agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) }, (response) => {
      response.resume();
      response.on('error', (error) => resolve(messageOf(error)));
      response.on('end', () => resolve(String(response.statusCode)));
    });
    outgoing.on('error', (error) => resolve(messageOf(error)));
    outgoing.end();
  });
}
