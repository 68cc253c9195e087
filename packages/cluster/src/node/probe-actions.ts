// What a probe or a lifecycle hook does once: run a command, ask over HTTP or gRPC, connect. Each resolves to undefined on
// success and to a message otherwise; none throws.

import { request as httpRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { messageOf, type SocketAddress } from '@lateen/base';
import type { Container, HttpGetAction, IntOrString, LifecycleHandler, Probe } from '@lateen/kube/types';

export type ActionTarget = {
  container: Container;
  podIP: string;
  dial(address: SocketAddress): Promise<Socket>;
  exec(command: string[], signal: AbortSignal): Promise<{ exitCode: number; output: string }>;
};

export type ActionFailure = string | undefined;

/** Runs a probe's or hook's action; aborting the signal ends it with the signal's reason as message. */
export async function runAction(action: Probe | LifecycleHandler, target: ActionTarget, signal: AbortSignal): Promise<ActionFailure> {
  const { exec, httpGet, tcpSocket } = action;
  const grpc = 'grpc' in action ? action.grpc : undefined;
  try {
    if (exec) return await execAction(exec.command ?? [], target, signal);
    if (httpGet) return await httpAction(httpGet, target, signal);
    const port = tcpSocket?.port ?? grpc?.port;
    if (port === undefined) return undefined;
    const host = tcpSocket?.host ?? target.podIP;
    const socket = await dialUntil(target, { host, port: portNumber(port, target.container) }, signal);
    if (!grpc) return void socket.destroy();
    return await grpcAction(socket, grpc.service ?? '', signal);
  } catch (error) {
    return messageOf(signal.aborted ? signal.reason : error);
  }
}

/** A port by number or by the name it has in the container. @throws Error when there is no such name. */
export function portNumber(port: IntOrString, container: Container): number {
  if (typeof port === 'number') return port;
  const named = container.ports?.find(({ name }) => name === port)?.containerPort ?? (/^\d+$/.test(port) ? Number(port) : undefined);
  if (named === undefined) throw new Error(`couldn't find port ${JSON.stringify(port)} in container ${container.name}`);
  return named;
}

async function execAction(command: string[], target: ActionTarget, signal: AbortSignal): Promise<ActionFailure> {
  const { exitCode, output } = await target.exec(command, signal);
  return exitCode === 0 ? undefined : output.trim() || `command ${command.join(' ')} ended with exit code ${exitCode}`;
}

async function dialUntil(target: ActionTarget, address: SocketAddress, signal: AbortSignal): Promise<Socket> {
  const dialled = target.dial(address);
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  // A connection that comes after the deadline must not stay open.
  dialled.then((socket) => signal.aborted && socket.destroy()).catch(() => {});
  try {
    const socket = await Promise.race([dialled, aborted.promise]);
    socket.on('error', () => {});
    return socket;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

const MAX_BODY_BYTES = 10 * 1024;

async function httpAction(action: HttpGetAction, target: ActionTarget, signal: AbortSignal): Promise<ActionFailure> {
  const port = portNumber(action.port, target.container);
  const host = action.host || target.podIP;
  const plain = await dialUntil(target, { host, port }, signal);
  // The kubelet does not verify certificates either: a probe asks whether something answers.
  const socket = (action.scheme ?? 'HTTP').toUpperCase() === 'HTTPS' ? connectTls({ socket: plain, rejectUnauthorized: false }) : plain;
  const headers: Record<string, string> = { 'User-Agent': 'kube-probe/1.32', Accept: '*/*', Host: `${host}:${port}`, Connection: 'close' };
  for (const { name, value } of action.httpHeaders ?? []) {
    const known = Object.keys(headers).find((key) => key.toLowerCase() === name.toLowerCase());
    headers[known ?? name] = value;
  }
  return new Promise<ActionFailure>((resolve, reject) => {
    const path = action.path?.startsWith('/') ? action.path : `/${action.path ?? ''}`;
    const request = httpRequest({ createConnection: () => socket, path, headers, signal }, (response) => {
      const status = response.statusCode ?? 0;
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        if (body.length < MAX_BODY_BYTES) body += text;
      });
      response.once('error', reject).once('end', () => {
        plain.destroy();
        resolve(
          status >= 200 && status < 400 ? undefined : `HTTP probe failed with statuscode: ${status}${body && `: ${body.slice(0, 200)}`}`,
        );
      });
    });
    request.once('error', reject).end();
  }).finally(() => plain.destroy());
}

/** grpc.health.v1.Health/Check: request {1: service}, response {1: status}, where 1 is SERVING. */
async function grpcAction(socket: Socket, service: string, signal: AbortSignal): Promise<ActionFailure> {
  const session = connectHttp2('http://pod', { createConnection: () => socket });
  session.on('error', () => {});
  try {
    const name = Buffer.from(service);
    const message = name.length > 0 ? Buffer.concat([Buffer.from([0x0a, name.length]), name]) : Buffer.alloc(0);
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(message.length, 1);
    const stream = session.request(
      { ':method': 'POST', ':path': '/grpc.health.v1.Health/Check', 'content-type': 'application/grpc', te: 'trailers' },
      { signal },
    );
    const body: Buffer[] = [];
    let grpcStatus: unknown;
    const noteStatus = (headers: Record<string, unknown>) => {
      grpcStatus = headers['grpc-status'] ?? grpcStatus;
    };
    stream.on('response', noteStatus).on('trailers', noteStatus);
    stream.end(Buffer.concat([frame, message]));
    for await (const chunk of stream) body.push(chunk as Buffer);
    if (grpcStatus !== '0') return `gRPC health check failed with status ${String(grpcStatus)}`;
    const answer = Buffer.concat(body).subarray(5);
    return answer[0] === 0x08 && answer[1] === 1 ? undefined : `service unhealthy (responded with ${answer[1] ?? 0})`;
  } finally {
    session.destroy();
    socket.destroy();
  }
}
