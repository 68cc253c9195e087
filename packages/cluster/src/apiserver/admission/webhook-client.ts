// One call of one webhook: an AdmissionReview over HTTPS to a Service or URL.

import { randomUUID } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { type Clock, isObject, messageOf } from '@lateen/base';

import type { AdmissionResponse, Webhook } from '@lateen/kube/types';
import type { Attributes } from './admission.ts';

/** Opens a TCP connection to a port of a Service. */
export type DialService = (namespace: string, name: string, port: number) => Promise<Socket>;

const MAX_RESPONSE = 8 * 1024 * 1024;

/** Calls the webhook. @throws Error in Kubernetes' words when it cannot be reached, is late or answers nonsense */
export async function callWebhook(
  webhook: Webhook,
  attributes: Attributes,
  options: { dialService: DialService; clock: Clock },
): Promise<AdmissionResponse> {
  const uid = randomUUID();
  const body = JSON.stringify({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', request: requestOf(uid, attributes) });
  const timeoutS = webhook.timeoutSeconds ?? 10;
  const abort = new AbortController();
  const timer = options.clock.after(timeoutS * 1000, () => abort.abort(new Error('context deadline exceeded')));
  try {
    const answer = await send(webhook, { body, timeoutS, signal: abort.signal, dialService: options.dialService });
    return readResponse(answer, uid);
  } catch (error) {
    throw new Error(
      abort.signal.aborted
        ? `failed to call webhook: Post "${urlOf(webhook, timeoutS)}": context deadline exceeded`
        : `failed to call webhook: ${messageOf(error)}`,
    );
  } finally {
    timer.cancel();
  }
}

function requestOf(uid: string, attributes: Attributes) {
  const { resource, subresource, namespace, name, operation, object, oldObject, user, dryRun, options } = attributes;
  const kind = { group: resource.group, version: resource.version, kind: resource.kind };
  const gvr = { group: resource.group, version: resource.version, resource: resource.plural };
  return {
    uid,
    kind,
    resource: gvr,
    ...(subresource ? { subResource: subresource, requestSubResource: subresource } : {}),
    requestKind: kind,
    requestResource: gvr,
    name,
    ...(resource.storage === 'namespaces' ? { namespace: name } : namespace === undefined ? {} : { namespace }),
    operation,
    userInfo: user,
    object: object ?? null,
    oldObject: oldObject ?? null,
    dryRun,
    options,
  };
}

function urlOf({ clientConfig: { url, service } }: Webhook, timeoutS: number): string {
  if (url !== undefined) return `${url}?timeout=${timeoutS}s`;
  const path = service?.path ?? '/';
  return `https://${service?.name}.${service?.namespace}.svc:${service?.port ?? 443}${path.startsWith('/') ? path : `/${path}`}?timeout=${timeoutS}s`;
}

type Sending = { body: string; timeoutS: number; signal: AbortSignal; dialService: DialService };

async function send(webhook: Webhook, { body, timeoutS, signal, dialService }: Sending): Promise<string> {
  // Kubernetes names the port even where it is the scheme's own, which `url.href` leaves out.
  const text = urlOf(webhook, timeoutS);
  const url = new URL(text);
  const { service, caBundle } = webhook.clientConfig;
  const ca = caBundle ? Buffer.from(caBundle, 'base64') : undefined;
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    host: url.host,
    connection: 'close',
  };
  const request = { method: 'POST', path: `${url.pathname}${url.search}`, headers, signal };
  const inWords = (why: unknown) => new Error(`Post "${text}": ${messageOf(why)}`);
  if (!service) return exchange(https.request(url, { ...request, agent: false, ...(ca ? { ca } : {}) }), body, inWords);
  const socket = await abortable(dialService(service.namespace, service.name, service.port ?? 443), signal).catch((error: unknown) => {
    throw inWords(error);
  });
  socket.on('error', () => {}); // the TLS layer reports it
  const tls = tlsConnect({ socket, servername: url.hostname, ...(ca ? { ca } : {}), ALPNProtocols: ['http/1.1'] });
  try {
    return await exchange(http.request({ ...request, createConnection: () => tls }), body, inWords);
  } finally {
    tls.destroy();
    socket.destroy();
  }
}

function abortable(dialing: Promise<Socket>, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    dialing.then(
      (socket) => (signal.aborted ? socket.destroy() : resolve(socket)),
      (error: unknown) => reject(error instanceof Error ? error : new Error(String(error))),
    );
  });
}

function exchange(request: http.ClientRequest, body: string, inWords: (why: unknown) => Error): Promise<string> {
  return new Promise((resolve, reject) => {
    request.on('error', (error) => reject(inWords(error)));
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('error', (error) => reject(inWords(error)));
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_RESPONSE) request.destroy(new Error('the response is too large'));
        else chunks.push(chunk);
      });
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`the server rejected our request: HTTP ${response.statusCode}${text ? `: ${text.slice(0, 200)}` : ''}`));
      });
    });
    request.end(body);
  });
}

function readResponse(text: string, uid: string): AdmissionResponse {
  let review: unknown;
  try {
    review = JSON.parse(text);
  } catch {
    throw new Error('the webhook answered something that is not JSON');
  }
  const response = isObject(review) ? review['response'] : undefined;
  if (!isObject(response)) throw new Error('Webhook response was absent');
  if (response['uid'] !== uid)
    throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response['uid'] ?? '')}`);
  return response as unknown as AdmissionResponse;
}
