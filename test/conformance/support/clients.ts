// Many connections that do nothing, or do it slowly, and one that shows that the service is there.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { openRaw } from '../../support/raw-client.ts';

/** Opens `count` connections and sends each `greeting`; gives those that the server took and keeps. */
export async function openMany(port: number, count: number, greeting: string | Buffer = ''): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i += 100) {
    await Promise.all(
      Array.from({ length: Math.min(100, count - i) }, async () => {
        const socket = connect({ host: '127.0.0.1', port });
        socket.on('error', () => {});
        sockets.push(socket);
        await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => {});
        if (socket.destroyed) return;
        if (greeting.length > 0) socket.write(typeof greeting === 'string' ? Buffer.from(greeting, 'latin1') : greeting);
        socket.resume();
      }),
    );
  }
  return sockets;
}

export function closeAll(sockets: readonly Socket[]): void {
  for (const socket of sockets) socket.destroy();
}

/** Asks once on a new connection; gives the status and how long it took. */
export async function probe(port: number, path = '/probe'): Promise<{ status: number; tookMs: number }> {
  const startedMs = performance.now();
  const client = await openRaw(port);
  try {
    await client.send([`GET ${path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n`]);
    const { status } = await client.expectFinal(5000);
    return { status, tookMs: performance.now() - startedMs };
  } finally {
    client.close();
  }
}

/** Asks every 50 ms until stopped. Gives every answer that was not 200, and the slowest. */
export function startVictim(port: number): { stop(): Promise<{ asked: number; failed: string[]; slowestMs: number }> } {
  let running = true;
  const failed: string[] = [];
  let asked = 0;
  let slowestMs = 0;
  const done = (async () => {
    while (running) {
      asked++;
      const result = await probe(port).catch((error: unknown) => String(error).slice(0, 200));
      if (typeof result === 'string') failed.push(result);
      else if (result.status !== 200) failed.push(String(result.status));
      else slowestMs = Math.max(slowestMs, result.tookMs);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  return {
    async stop() {
      running = false;
      await done;
      return { asked, failed, slowestMs };
    },
  };
}
