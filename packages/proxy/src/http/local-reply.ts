// An answer that this proxy invents: its head and body.

import type { Exchange } from './exchange.ts';
import { Head } from './head.ts';
import type { ResponseFlag } from './request-record.ts';

/** Why an answer is made here. */
export type LocalReply = {
  status: number;
  /** Text; empty sends no body. */
  body?: string;
  flag?: ResponseFlag;
  /** Envoy's response code details. */
  details: string;
  headers?: readonly (readonly [name: string, value: string])[];
};

/** The message for `reply`; the body is empty when there is none. */
export function composeLocalReply(_exchange: Exchange, reply: LocalReply): { head: Head; body: Buffer } {
  const head = new Head(0);
  head.status = reply.status;
  const body = Buffer.from(reply.body ?? '', 'utf8');
  for (const [name, value] of reply.headers ?? []) head.add(name, value);
  if (body.length > 0) {
    head.add('content-length', String(body.length));
    if (!head.has('content-type')) head.add('content-type', 'text/plain');
  }
  return { head, body };
}
