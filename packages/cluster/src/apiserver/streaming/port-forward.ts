// port-forward: SPDY streams in pairs (error, data) with the same request id, each pair one connection to a port of the pod.

import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf } from '@lateen/base';
import { createSpdySession, type SpdyStream } from './spdy-session.ts';

/** Serves the connection until the client leaves. `dial` connects to a port of the pod. */
export async function servePortForward(connection: Duplex, dial: (port: number) => Promise<Duplex>): Promise<void> {
  const waiting = new Map<string, SpdyStream>();
  const session = createSpdySession(connection, (stream) => {
    const id = stream.headers.get('requestid') ?? '';
    const other = waiting.get(id);
    if (!other) return void waiting.set(id, stream);
    waiting.delete(id);
    const [errors, data] = stream.headers.get('streamtype') === 'data' ? [other, stream] : [stream, other];
    void forward({ errors: errors.duplex, data: data.duplex, port: Number(data.headers.get('port')) }, dial);
  });
  await session.closed;
}

async function forward(pair: { errors: Duplex; data: Duplex; port: number }, dial: (port: number) => Promise<Duplex>): Promise<void> {
  const { errors, data, port } = pair;
  errors.resume();
  let target: Duplex | undefined;
  try {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error(`${JSON.stringify(port)} is not a port`);
    target = await dial(port);
    target.on('error', () => {}); // the pipelines report it
    await Promise.all([pipeline(data, target, { end: true }), pipeline(target, data, { end: true })]);
  } catch (error) {
    if (!errors.destroyed && !target) errors.write(`error forwarding port ${port} to pod: ${messageOf(error)}`);
    data.destroy();
  } finally {
    errors.end();
    target?.destroy();
  }
}
