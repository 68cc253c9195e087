// Calls from one sample service to another. The mesh routes by headers and stitches traces together only if each service
// hands on the headers that it was called with; this is that hand-over.

import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';

/** Trace context in the formats that meshes use, and what the demonstrations route by. */
const FORWARDED_HEADERS = [
  'x-request-id',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
  'b3',
  'traceparent',
  'tracestate',
  'x-ot-span-context',
  'x-cloud-trace-context',
  'grpc-trace-bin',
  'x-datadog-trace-id',
  'x-datadog-parent-id',
  'x-datadog-sampling-priority',
  'sw8',
  'end-user',
  'user-agent',
  'cookie',
  'authorization',
  'jwt',
] as const;

/** Those headers of an incoming request that belong on every call it causes. */
export function forwardedHeaders(incoming: IncomingHttpHeaders): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of FORWARDED_HEADERS) {
    const value = incoming[name];
    if (typeof value === 'string') headers[name] = value;
  }
  return headers;
}

export type CallResult = { status: number; body: string };

/** GETs a URL. Rejects on connection errors and after `timeoutMs` without a complete answer. */
export function call(url: string, options: { headers: Record<string, string>; timeoutMs: number }): Promise<CallResult> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(options.timeoutMs);
    const outgoing = httpRequest(url, { headers: options.headers, signal }, (response: IncomingMessage) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }));
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}
