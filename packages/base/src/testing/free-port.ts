// Ports for programs that must be told one. A server of the test's own listens on port 0 instead.

import { createServer } from 'node:net';

// Below the range that the kernel gives to outgoing connections. Each process begins elsewhere and goes on from where it was.
const FIRST_PORT = 12_000;
const LAST_PORT = 31_999;
let nextPort = FIRST_PORT + ((process.pid * 613) % (LAST_PORT - FIRST_PORT));

/** A port that nobody listens on at 127.0.0.1, given once in this process. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = nextPort;
    nextPort = port < LAST_PORT ? port + 1 : FIRST_PORT;
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}
