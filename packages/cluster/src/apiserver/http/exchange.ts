// A request on its way through the server and the reply it gets, free of sockets: HTTP and the in-process transport both use it.

import type { Readable } from 'node:stream';
import type { UserInfo } from '@lateen/kube/types';

export type ApiRequest = {
  method: string;
  /** Decoded only where segments are taken from it; no query. */
  path: string;
  query: URLSearchParams;
  /** Names in lower case. */
  headers: Readonly<Record<string, string | undefined>>;
  body: Buffer;
  user: UserInfo;
  /** Aborted when the client is gone or the server closes. */
  signal: AbortSignal;
};

export type ApiReply = {
  status: number;
  headers?: Record<string, string>;
  /** A string or bytes go out as they are, a stream chunk by chunk, anything else as JSON. */
  body: unknown;
  /** Instead of `body`: chunks until the stream ends. */
  stream?: AsyncIterable<Uint8Array | string> | Readable;
};

export const json = (status: number, body: unknown, headers?: Record<string, string>): ApiReply => ({
  status,
  body,
  ...(headers ? { headers } : {}),
});
export const text = (status: number, body: string): ApiReply => ({
  status,
  body,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
});
