// Brings the target and authority of a parsed request into the one form that everything after sees, or says why the request is
// refused.

import { isAuthority, normalizeAuthority } from './authority.ts';
import type { HcmContext } from './context.ts';
import type { Head } from './head.ts';
import { knownId } from './known-headers.ts';
import { normalizePath } from './normalize-path.ts';

const HOST = knownId('host');

export type RequestTarget =
  | { readonly kind: 'target'; readonly path: string; readonly authority: string }
  | { readonly kind: 'redirect'; readonly path: string; readonly authority: string }
  | { readonly kind: 'refused'; readonly status: number; readonly details: string };

const refused = (status: number, details: string): Extract<RequestTarget, { kind: 'refused' }> => ({ kind: 'refused', status, details });
const MISSING_HOST = refused(400, 'missing_host_header');
const BAD_HOST = refused(400, 'http.invalid_authority');
const BAD_TARGET = refused(400, 'http1.invalid_url');
const ABSOLUTE = /^[a-z]+:\/\//i;
/** `OPTIONS *`, and absolute targets where they are not allowed: there is nothing that it could be routed by. */
export const NO_PATH = refused(404, 'absolute_path_rejected');

/** Reads the target in `head`; the Host line is rewritten where its canonical form differs. */
export function readTarget(head: Head, method: string, context: HcmContext, localPort: number): RequestTarget {
  const { hcm } = context;
  const raw = head.text(head.targetStart, head.targetEnd);
  const hostLine = head.known(HOST);
  if (head.hasRepeats && head.values('host').length > 1) return BAD_HOST;
  const sent = hostLine >= 0 ? head.lineValue(hostLine) : undefined;
  let host = sent;
  if (host === undefined && head.version < 11 && hcm.http1.defaultHostForHttp10 !== '') host = hcm.http1.defaultHostForHttp10;
  let target = raw;
  if (method === 'CONNECT') {
    if (!isAuthority(raw) || !/:\d/.test(raw)) return BAD_TARGET;
    host = raw;
    target = '';
  } else if (!hcm.http1.allowAbsoluteUrl && ABSOLUTE.test(raw)) target = '*';
  else if (!raw.startsWith('/') && raw !== '*') {
    const absolute = /^https?:\/\/([^/?#]*)(.*)$/i.exec(raw);
    if (!absolute || absolute[1] === '') return BAD_TARGET;
    // RFC 9112 3.2.2: the target's authority replaces the Host field.
    host = absolute[1] as string;
    const rest = absolute[2] as string;
    target = rest.startsWith('/') ? rest : `/${rest}`;
  } else if (raw === '*' && method !== 'OPTIONS' && hcm.http1.allowAbsoluteUrl) return BAD_TARGET;
  if (host === undefined || (host === '' && head.version >= 11 && method !== 'CONNECT')) return MISSING_HOST;
  if (!isAuthority(host)) return BAD_HOST;
  const authority = normalizeAuthority(host, hcm, localPort);
  // The target of CONNECT needs its port, whatever the route is found by.
  const told = method === 'CONNECT' ? host : authority;
  if (told !== sent) head.set('host', told);
  if (target === '*') return NO_PATH;
  if (target === '') return { kind: 'target', path: target, authority };
  const normalized = normalizePath(target, hcm);
  if (normalized.kind === 'invalid') return refused(400, normalized.details);
  return { kind: normalized.kind === 'redirect' ? 'redirect' : 'target', path: normalized.path, authority };
}
