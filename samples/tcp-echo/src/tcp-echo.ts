// tcp-echo: answers each line with a prefix in front. Usage: tcp-echo PORT[,PORT...] PREFIX

import { createServer, type Server } from 'node:net';

const MAX_LINE_BYTES = 64 * 1024;

/** A server that echoes "PREFIX line". The caller listens and closes. */
export function createEchoServer(prefix: string): Server {
  return createServer({ allowHalfOpen: true }, (socket) => {
    let rest = '';
    socket.setEncoding('utf8');
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() as string;
      if (rest.length > MAX_LINE_BYTES) return void socket.destroy();
      for (const line of lines) socket.write(`${prefix} ${line}\n`);
    });
    socket.on('end', () => socket.end(rest === '' ? '' : `${prefix} ${rest}\n`));
  });
}

if (import.meta.main) {
  const [ports = '9000', prefix = 'hello'] = process.argv.slice(2);
  const servers = ports.split(',').map((port, index) => {
    const server = createEchoServer(prefix);
    // Where ports are handed out (no network namespace), PORT names the one for the first.
    const actual = index === 0 && process.env.PORT ? Number(process.env.PORT) : Number(port);
    server.listen(actual, process.env.HOST ?? '0.0.0.0', () => console.log(`listening on ${actual}, prefix: ${prefix}`));
    return server;
  });
  process.on('SIGTERM', () => {
    for (const server of servers) server.close();
    process.exit(0);
  });
}
