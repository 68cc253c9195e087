import { equalsAscii } from './bytes.ts';
import type { Head } from './head.ts';

const COMMON_METHODS = ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'] as const;

/** The method as text; usual ones are always the same string. */
export function methodOf(head: Head): string {
  for (const method of COMMON_METHODS) if (equalsAscii(head.bytes, 0, head.methodEnd, method)) return method;
  return head.text(0, head.methodEnd);
}

/** What Envoy's parser takes for a method; anything else is not HTTP to it. */
export const METHODS: ReadonlySet<string> = new Set(
  (
    'GET POST HEAD PUT DELETE OPTIONS PATCH CONNECT TRACE ACL BIND CHECKOUT COPY LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE ' +
    'M-SEARCH NOTIFY PROPFIND PROPPATCH PURGE QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE UNBIND UNLINK UNLOCK UNSUBSCRIBE'
  ).split(' '),
);
