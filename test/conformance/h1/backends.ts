// Three HTTP/1.1 parsers of the world as upstreams. Each answers with the target that it read in `x-target` and notes the
// x-request-id of every request that it took for one.

import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, freePort } from '@lateen/base/testing';
import { exitOf } from '../../support/run.ts';

export type Backend = {
  readonly name: string;
  readonly port: number;
  /** Of every request so far; "-" where it had none. */
  requestIds(): readonly string[];
  /** What this parser refused, though the proxy had let it pass. */
  refusals(): readonly string[];
  close(): Promise<void>;
};

const NGINX = '/usr/sbin/nginx';
const HAPROXY = '/usr/sbin/haproxy';

/** Why not all of them can run here. */
export const noBackends: string | undefined = existsSync(NGINX) && existsSync(HAPROXY) ? undefined : 'nginx and haproxy are not installed';

/** Starts all three; the caller closes each. */
export const startBackends = (): Promise<Backend[]> => Promise.all([startNode(), startNginx(), startHaproxy()]);

// Node knows a list of methods where any token is legal, and a broken-off body is what a client that left leaves.
const NO_REFUSAL = new Set(['HPE_INVALID_METHOD', 'HPE_INVALID_EOF_STATE']);

async function startNode(): Promise<Backend> {
  const ids: string[] = [];
  const refused: string[] = [];
  const server = createServer({ maxHeaderSize: 128 * 1024 }, (request, response) => {
    ids.push(String(request.headers['x-request-id'] ?? '-'));
    request.resume();
    request.on('end', () => {
      response.setHeader('x-target', request.url ?? '');
      response.end('ok');
    });
  });
  server.on('checkExpectation', (request, response) => {
    ids.push(String(request.headers['x-request-id'] ?? '-'));
    response.writeHead(417).end();
  });
  server.on('clientError', (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket) => {
    if (error.code?.startsWith('HPE_') && !NO_REFUSAL.has(error.code))
      refused.push(`${error.code} ${error.rawPacket?.toString('latin1').slice(0, 500)}`);
    socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    name: 'Node',
    port: (server.address() as AddressInfo).port,
    requestIds: () => ids,
    refusals: () => refused,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

type Program = { child: ChildProcess; folder: string; end(): Promise<void> };

async function startProgram(
  path: string,
  args: (folder: string) => string[],
  port: number,
  files: (folder: string) => Record<string, string>,
): Promise<Program> {
  const folder = mkdtempSync(join(tmpdir(), 'lateen-backend-'));
  for (const [name, text] of Object.entries(files(folder))) writeFileSync(join(folder, name), text);
  const child = spawn(path, args(folder), { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(output);
    return accepts(port);
  });
  return {
    child,
    folder,
    async end() {
      child.kill('SIGTERM');
      await exitOf(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

// Names that are legal and that nginx likes to ignore.
const IGNORED_NAME = /client sent invalid header line: "[!#$%&'*+\-.^_`|~0-9a-z\\]+: /;

async function startNginx(): Promise<Backend> {
  const port = await freePort();
  const conf = (folder: string) => `
daemon off; master_process off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error info;
events { worker_connections 512; }
http {
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  large_client_header_buffers 8 128k;
  log_format ids '$http_x_request_id $status';
  access_log ${folder}/access ids;
  server { listen 127.0.0.1:${port}; location / { add_header x-target $request_uri always; return 200 ok; } }
}`;
  const { folder, end } = await startProgram(
    NGINX,
    (at) => ['-p', at, '-c', join(at, 'nginx.conf')],
    port,
    (at) => ({ 'nginx.conf': conf(at) }),
  );
  const lines = (name: string) =>
    existsSync(join(folder, name))
      ? readFileSync(join(folder, name), 'latin1')
          .split('\n')
          .filter((line) => line !== '')
      : [];
  return {
    name: 'nginx',
    port,
    // Status 000 and 499 without a request: a connection that closed.
    requestIds: () => lines('access').map((line) => line.split(' ')[0]!),
    refusals: () => lines('error').filter((line) => line.includes('client sent') && !IGNORED_NAME.test(line)),
    close: end,
  };
}

async function startHaproxy(): Promise<Backend> {
  const port = await freePort();
  const logs = createSocket('udp4');
  const ids: string[] = [];
  const refused: string[] = [];
  logs.on('message', (message) => {
    const line = message.toString('latin1');
    const id = /ids=(\S+) state=(\S+)/.exec(line);
    // PR: haproxy itself refused the request; CR: the client left.
    if (id && id[2]!.startsWith('PR')) refused.push(line);
    else if (id && !/^C/.test(id[2]!)) ids.push(id[1]!);
  });
  logs.bind(0, '127.0.0.1');
  await once(logs, 'listening');
  const conf = `
global
  log 127.0.0.1:${logs.address().port} local0
  tune.bufsize 131072
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
  option dontlognull
frontend in
  bind 127.0.0.1:${port}
  log global
  log-format "ids=%[capture.req.hdr(0)] state=%ts"
  http-request capture req.hdr(x-request-id) len 64
  http-request return status 200 content-type text/plain hdr x-target "%[pathq]" string ok
`;
  const { end } = await startProgram(
    HAPROXY,
    (at) => ['-db', '-f', join(at, 'haproxy.cfg')],
    port,
    () => ({ 'haproxy.cfg': conf }),
  );
  return {
    name: 'haproxy',
    port,
    requestIds: () => ids,
    refusals: () => refused,
    async close() {
      await end();
      logs.close();
    },
  };
}
