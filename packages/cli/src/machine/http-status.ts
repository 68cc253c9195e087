import { request } from 'node:http';
import type { Socket } from 'node:net';
import { messageOf, type SocketAddress } from '@lateen/base';

/** Opens a connection; the default is an ordinary one from this process. */
export type Dial = (address: SocketAddress) => Promise<Socket>;

const TIMEOUT_MS = 5_000;

/** The status code of a GET as text, or what went wrong. Never rejects. */
export async function httpStatus(url: string, dial?: Dial): Promise<string> {
  const { hostname, port } = new URL(url);
  const address = { host: hostname === 'localhost' ? '127.0.0.1' : hostname, port: Number(port || 80) };
  try {
    const socket = await dial?.(address);
    return await statusOf(url, socket);
  } catch (error) {
    return messageOf(error);
  }
}

function statusOf(url: string, socket: Socket | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = socket ? { createConnection: () => socket } : { agent: false };
    const outgoing = request(url, { signal: AbortSignal.timeout(TIMEOUT_MS), ...connection }, (response) => {
      response.resume();
      response.on('error', reject);
      response.on('end', () => {
        socket?.destroy();
        resolve(String(response.statusCode));
      });
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}
