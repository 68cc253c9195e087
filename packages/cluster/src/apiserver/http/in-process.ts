// The transport of controllers that live in the same process: the same handler, without sockets, TLS or authentication.

import { messageOf } from '@lateen/base';
import type { KubeRequest, KubeResponse, KubeTransport } from '@lateen/kube';
import { SYSTEM_USER } from '../auth/authenticate.ts';
import type { Handler } from '../handler.ts';
import type { ApiReply } from './exchange.ts';

/** Requests as a member of system:masters; `closing` ends its streams. */
export function createInProcessTransport(handle: Handler, closing: AbortSignal): KubeTransport {
  return {
    async request(request: KubeRequest): Promise<KubeResponse> {
      const gone = new AbortController();
      const leave = () => gone.abort(new Error('aborted'));
      const { signal } = request;
      if (signal?.aborted || closing.aborted) throw new Error(messageOf(signal?.reason ?? closing.reason));
      signal?.addEventListener('abort', leave, { once: true });
      closing.addEventListener('abort', leave, { once: true });
      const release = () => {
        signal?.removeEventListener('abort', leave);
        closing.removeEventListener('abort', leave);
        leave();
      };
      const reply = await handle({
        method: request.method,
        path: request.path,
        query: new URLSearchParams(Object.entries(request.query ?? {}).filter((pair): pair is [string, string] => pair[1] !== undefined)),
        headers: { 'user-agent': 'lateen', ...request.headers },
        body: request.body === undefined ? Buffer.alloc(0) : Buffer.from(request.body as string),
        user: SYSTEM_USER,
        signal: gone.signal,
      });
      if (!reply.stream) release();
      const headers = { 'content-type': 'application/json', ...reply.headers };
      return { status: reply.status, headers, body: chunksOf(reply, release) };
    },
    close: () => {},
  };
}

async function* chunksOf(reply: ApiReply, release: () => void): AsyncGenerator<Uint8Array> {
  try {
    if (!reply.stream) yield bytes(typeof reply.body === 'string' || Buffer.isBuffer(reply.body) ? reply.body : JSON.stringify(reply.body));
    else for await (const chunk of reply.stream) yield bytes(chunk as string | Uint8Array);
  } finally {
    release();
  }
}

const bytes = (chunk: string | Uint8Array): Uint8Array => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
