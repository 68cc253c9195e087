// admission.k8s.io/v1 over HTTPS: reading a review, writing its answer.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { isObject, type Logger, messageOf, parseJson } from '@lateen/base';
import type { AdmissionRequest, AdmissionResponse } from '@lateen/kube/types';

/** Kubernetes allows objects of 3 MiB in a review, twice (old and new). */
const MAX_BODY_BYTES = 8 * 1024 * 1024;

/** `path` is the URL path the review came to. */
export type AdmissionHandler = (
  request: AdmissionRequest,
  path: string,
) => Omit<AdmissionResponse, 'uid'> | Promise<Omit<AdmissionResponse, 'uid'>>;

export type AdmissionServerOptions = {
  keyPem: string;
  certPem: string;
  /** The handler of a path, or undefined for 404. */
  handlerOf: (path: string) => AdmissionHandler | undefined;
  logger: Logger;
};

/** An HTTPS server that is not listening yet. */
export function createAdmissionServer({ keyPem, certPem, handlerOf, logger }: AdmissionServerOptions): Server {
  const server = createServer({ key: keyPem, cert: certPem, minVersion: 'TLSv1.2' }, (request, response) => {
    void serve(request, response, handlerOf).catch((error: unknown) => {
      logger.error('an admission review failed', { path: request.url, error: messageOf(error) });
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' });
      response.end('internal error\n');
    });
  });
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  server.on('clientError', (_error, socket) => socket.destroy());
  return server;
}

async function serve(request: IncomingMessage, response: ServerResponse, handlerOf: AdmissionServerOptions['handlerOf']): Promise<void> {
  const path = new URL(request.url ?? '/', 'https://localhost').pathname;
  const handler = handlerOf(path);
  const refuse = (status: number, message: string): void => {
    request.resume();
    response.writeHead(status, { 'content-type': 'text/plain' }).end(`${message}\n`);
  };
  if (!handler) return refuse(404, 'not found');
  if (request.method !== 'POST') return refuse(405, 'POST an AdmissionReview');
  const body = await readBody(request);
  if (body === undefined) return refuse(413, 'the review is too large');
  const review = parseReview(body);
  if (!review) return refuse(400, 'not an admission.k8s.io/v1 AdmissionReview with a request');
  const answer = { uid: review.uid, ...(await handler(review, path)) };
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: answer }));
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseReview(body: string): AdmissionRequest | undefined {
  try {
    const review: unknown = parseJson(body, { maxBytes: MAX_BODY_BYTES });
    const request = isObject(review) ? review['request'] : undefined;
    return isObject(request) && typeof request['uid'] === 'string' ? (request as AdmissionRequest) : undefined;
  } catch {
    return undefined;
  }
}

/** Refuses with a message that kubectl prints after "admission webhook … denied the request:". */
export const deny = (message: string): Omit<AdmissionResponse, 'uid'> => ({
  allowed: false,
  status: { status: 'Failure', message, code: 400 },
});
