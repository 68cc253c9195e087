// …/pods/[SCHEME:]NAME[:PORT]/proxy/PATH: an HTTP request to a port inside a pod, answered through the API server. Plain HTTP only.

import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { messageOf } from '@lateen/base';
import type { Pod } from '@lateen/kube/types';
import type { NodeApi } from '../../contracts.ts';
import type { ApiReply, ApiRequest } from '../http/exchange.ts';
import type { Core } from '../rest/call.ts';
import { ApiError, badRequest } from '../status.ts';
import { nodeError } from './node-error.ts';

export type PodProxyTarget = { namespace: string; pod: string; port: number | undefined; path: string };

const PATTERN = /^\/api\/v1\/namespaces\/([^/]{1,63})\/pods\/(?:http:)?([a-z0-9.-]{1,253})(?::(\d{1,5}))?\/proxy(\/.*)?$/;
/** Of the caller's connection, or of no concern to the pod. */
const NOT_FORWARDED = new Set(['authorization', 'connection', 'content-length', 'host', 'transfer-encoding', 'upgrade']);

/** The target when the path is a pod's proxy, else undefined. */
export function parsePodProxyPath(path: string): PodProxyTarget | undefined {
  const match = PATTERN.exec(path);
  if (!match) return undefined;
  const [, namespace = '', pod = '', port, rest] = match;
  return { namespace, pod, port: port === undefined ? undefined : Number(port), path: rest ?? '/' };
}

/** Forwards the request and streams the answer. @throws ApiError 404 without such a pod, 503 when its port does not answer */
export async function proxyToPod(
  target: PodProxyTarget,
  request: ApiRequest,
  { core, nodeApi }: { core: Core; nodeApi: NodeApi },
): Promise<ApiReply> {
  const pod = core.store.get({ resource: 'pods', namespace: target.namespace, name: target.pod }) as Pod | undefined;
  if (!pod) throw new ApiError(404, 'NotFound', { message: `pods "${target.pod}" not found` });
  const port = target.port ?? pod.spec.containers[0]?.ports?.[0]?.containerPort;
  if (port === undefined || port < 1 || port > 65_535) throw badRequest(`pod ${target.pod} declares no port; name one: ${target.pod}:PORT`);
  let connection: Duplex;
  try {
    connection = await nodeApi.portForward({ namespace: target.namespace, name: target.pod, container: undefined }, port);
  } catch (error) {
    throw nodeError(error);
  }
  try {
    const answer = await exchange(connection, { ...target, port }, request);
    const contentType = answer.headers['content-type'];
    return {
      status: answer.statusCode ?? 502,
      headers: contentType ? { 'content-type': contentType } : {},
      body: undefined,
      stream: answer,
    };
  } catch (error) {
    connection.destroy();
    throw new ApiError(503, 'ServiceUnavailable', { message: `error trying to reach pod ${target.pod}: ${messageOf(error)}` });
  }
}

function exchange(
  connection: Duplex,
  { pod, port, path }: PodProxyTarget & { port: number },
  request: ApiRequest,
): Promise<IncomingMessage> {
  const query = request.query.toString();
  const headers = Object.fromEntries(
    Object.entries(request.headers).filter(([name, value]) => value !== undefined && !NOT_FORWARDED.has(name)),
  );
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({
      createConnection: () => connection,
      method: request.method,
      path: query === '' ? path : `${path}?${query}`,
      headers: { ...headers, host: `${pod}:${port}`, connection: 'close', 'content-length': request.body.length },
      signal: request.signal,
    });
    outgoing.once('response', (answer) => {
      answer.once('close', () => connection.destroy());
      resolve(answer);
    });
    outgoing.once('error', reject);
    outgoing.end(request.body);
  });
}
