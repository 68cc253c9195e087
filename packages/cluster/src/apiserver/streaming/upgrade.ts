// Upgraded connections: exec, attach and port-forward, over WebSocket or SPDY/3.1. Authentication has happened before.

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type Logger, messageOf } from '@lateen/base';
import type { Pod } from '@lateen/kube/types';
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws';
import type { NodeApi, PodRef } from '../../contracts.ts';
import type { Upgrade } from '../http/https-server.ts';
import type { Call, Core } from '../rest/call.ts';
import { callOf } from '../rest/dispatch.ts';
import { readStored } from '../rest/read.ts';
import { ApiError, badRequest, pathNotFound } from '../status.ts';
import { serveExecSpdy } from './exec-spdy.ts';
import { type ExecWants, type RunExec, serveExecWebSocket } from './exec-websocket.ts';
import { containerOf } from './logs.ts';
import { servePortForward } from './port-forward.ts';

const EXEC_PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
const FORWARD_TUNNEL = 'SPDY/3.1+portforward.k8s.io';
// `ws` refuses a sub-protocol with "/": it sees this name, the client gets the real one back.
const FORWARD_ALIAS = 'spdy-tunnel.portforward.k8s.io';
const FORWARD_SPDY = 'portforward.k8s.io';
const SPDY_EXEC = 'v4.channel.k8s.io';
const MAX_MESSAGE = 4 * 1024 * 1024;

type Target = { kind: 'exec'; wants: ExecWants; run: RunExec } | { kind: 'forward'; dial: (port: number) => Promise<Duplex> };

export function createUpgradeHandler({ core, nodeApi, logger }: { core: Core; nodeApi: NodeApi; logger: Logger }): Upgrade {
  const webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE,
    handleProtocols: (offered) => {
      if (offered.has(FORWARD_ALIAS)) return FORWARD_TUNNEL;
      return EXEC_PROTOCOLS.find((one) => offered.has(one)) ?? false;
    },
  });
  return async (request, socket, head) => {
    const call = callOf(core, request);
    const target = targetOf(call, nodeApi);
    const protocol = request.headers['upgrade']?.toLowerCase();
    if (protocol === 'websocket') return acceptWebSocket({ webSockets, call, socket, head, target, logger });
    if (protocol === 'spdy/3.1') return acceptSpdy(call, socket, head, target);
    throw badRequest(`cannot upgrade to ${JSON.stringify(protocol ?? '')}: only websocket and SPDY/3.1 are supported`);
  };
}

function targetOf(call: Call, nodeApi: NodeApi): Target {
  if (call.resource.storage !== 'pods' || !call.name) throw pathNotFound();
  const { query } = call.request;
  const pod = readStored(call) as unknown as Pod;
  const ref: PodRef = { namespace: call.namespace ?? '', name: call.name, container: undefined };
  if (call.subresource === 'portforward') return { kind: 'forward', dial: (port) => nodeApi.portForward(ref, port) };
  if (call.subresource !== 'exec' && call.subresource !== 'attach') throw pathNotFound();
  const phase = pod.status?.phase;
  if (phase === 'Succeeded' || phase === 'Failed') {
    throw new ApiError(500, 'InternalError', { message: `cannot exec into a container in a completed pod; current phase is ${phase}` });
  }
  ref.container = containerOf(pod, query.get('container'));
  const flag = (name: string) => ['true', '1'].includes(query.get(name) ?? '');
  const wants = { stdin: flag('stdin'), stdout: flag('stdout'), stderr: flag('stderr'), tty: flag('tty') };
  const { signal } = call.request;
  if (call.subresource === 'attach')
    return { kind: 'exec', wants, run: (streams) => nodeApi.attach(ref, { tty: wants.tty }, streams, signal) };
  const command = query.getAll('command');
  if (command.length === 0) throw badRequest('you must specify at least one command for the container');
  return { kind: 'exec', wants, run: (streams) => nodeApi.exec(ref, command, { tty: wants.tty }, streams, signal) };
}

type Accepting = { webSockets: WebSocketServer; call: Call; socket: Duplex; head: Buffer; target: Target; logger: Logger };

async function acceptWebSocket({ webSockets, call, socket, head, target, logger }: Accepting): Promise<void> {
  const { headers } = call.request;
  const protocols = headers['sec-websocket-protocol']?.replaceAll(FORWARD_TUNNEL, FORWARD_ALIAS);
  const request = {
    method: call.request.method,
    headers: { ...headers, 'sec-websocket-protocol': protocols },
    socket,
  } as unknown as IncomingMessage;
  const webSocket = await new Promise<WebSocket>((resolve) => webSockets.handleUpgrade(request, socket, head, resolve));
  webSocket.on('error', (error) => logger.debug('WebSocket failed', { error: messageOf(error) }));
  if (target.kind === 'exec') return serveExecWebSocket(webSocket, target.wants, target.run);
  await servePortForward(createWebSocketStream(webSocket), target.dial);
}

async function acceptSpdy(call: Call, socket: Duplex, head: Buffer, target: Target): Promise<void> {
  const offered = (call.request.headers['x-stream-protocol-version'] ?? '').split(',').map((one) => one.trim());
  const wanted = target.kind === 'forward' ? FORWARD_SPDY : SPDY_EXEC;
  if (!offered.includes(wanted))
    throw new ApiError(403, 'Forbidden', { message: `unable to upgrade: the stream protocol must be ${wanted}` });
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${wanted}\r\n\r\n`,
  );
  if (head.length > 0) socket.unshift(head);
  if (target.kind === 'exec') return serveExecSpdy(socket, target.wants, target.run);
  await servePortForward(socket, target.dial);
}
