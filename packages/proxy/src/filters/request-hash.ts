// The hash of a request, by the route's hash policies: what consistent hashing sends to one host.

import type { Exchange } from '../http/exchange.ts';
import { ipOf } from '../http/forwarding-headers.ts';
import { cookieOf, queryParameter } from '../runtime/compile/match.ts';
import type { HashPolicy } from '../runtime/model.ts';
import { combineHashes, hashText } from '../upstream/hash.ts';

export type RequestHash = {
  /** undefined: no policy found anything to hash. */
  readonly hash: bigint | undefined;
  /** Values of `set-cookie`, for clients that had no cookie yet. */
  readonly cookies: readonly string[];
};

const NONE: RequestHash = { hash: undefined, cookies: [] };

/** Of the request as it goes on, headers and path rewritten. Policies in order; all that find something take part, up to a terminal one. */
export function hashRequest(exchange: Exchange, policies: readonly HashPolicy[]): RequestHash {
  if (policies.length === 0) return NONE;
  const cookies: string[] = [];
  let hash: bigint | undefined;
  for (const policy of policies) {
    const own = hashOf(exchange, policy, cookies);
    if (own !== undefined) hash = combineHashes(hash, own);
    if (policy.terminal && hash !== undefined) break;
  }
  return { hash, cookies };
}

function hashOf(exchange: Exchange, policy: HashPolicy, cookies: string[]): bigint | undefined {
  if (policy.kind === 'header') {
    const values = exchange.headerValues(policy.name);
    if (values.length === 0) return undefined;
    const { rewrite } = policy;
    // Their order on the wire does not count; each is hashed with what the others gave.
    return (rewrite ? values.map((value) => rewrite(value)) : values).sort().reduce((seed, value) => hashText(value, seed), 0n);
  }
  const text = sourceOf(exchange, policy, cookies);
  return text === undefined ? undefined : hashText(text);
}

function sourceOf(exchange: Exchange, policy: Exclude<HashPolicy, { kind: 'header' }>, cookies: string[]): string | undefined {
  switch (policy.kind) {
    case 'filter_state':
      return exchange.filterStateText(policy.key);
    case 'source_ip':
      return ipOf(exchange.remoteAddress);
    case 'query_parameter':
      return queryParameter(exchange.path, policy.name);
    case 'cookie':
      return cookieOf(exchange, policy.name) || newCookie(exchange, policy, cookies);
  }
}

/** With a ttl (0 = until the browser ends), a client without the cookie is given one. */
function newCookie(exchange: Exchange, policy: Extract<HashPolicy, { kind: 'cookie' }>, cookies: string[]): string | undefined {
  if (policy.ttlMs === undefined) return undefined;
  const ends = `${exchange.connection.remoteAddress}|${exchange.connection.localAddress}`;
  const value = hashText(ends).toString(16).padStart(16, '0');
  const parts = [`${policy.name}="${value}"`];
  if (policy.ttlMs > 0) parts.push(`Max-Age=${Math.floor(policy.ttlMs / 1000)}`);
  if (policy.path !== '') parts.push(`Path=${policy.path}`);
  for (const { name, value: text } of policy.attributes) parts.push(text === '' ? name : `${name}=${text}`);
  parts.push('HttpOnly');
  cookies.push(parts.join('; '));
  return value;
}
