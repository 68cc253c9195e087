// The authority of a request: what Host may hold (RFC 9110 7.2, RFC 3986 3.2.2) and how it is brought into one form.

/** host[:port], bracketed IPv6, no user info, path, space or control. */
const AUTHORITY = /^(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]{0,5})?$/;

// Clients repeat themselves.
let lastValid = '';

/** Whether the text can be an authority. An empty Host is legal. */
export function isAuthority(text: string): boolean {
  if (text === lastValid) return true;
  if (text.length > 512 || !AUTHORITY.test(text)) return false;
  lastValid = text;
  return true;
}

export type AuthorityRules = {
  readonly stripAnyHostPort: boolean;
  readonly stripMatchingHostPort: boolean;
  readonly stripTrailingHostDot: boolean;
};

/** Port and trailing dot stripped as configured; the letters stay as they came, as in Envoy. `localPort` is the connection's destination port. */
export function normalizeAuthority(text: string, rules: AuthorityRules, localPort: number): string {
  let host = text;
  let port = '';
  const colon = host.lastIndexOf(':');
  if (colon >= 0 && colon > host.lastIndexOf(']')) {
    port = host.slice(colon);
    host = host.slice(0, colon);
  }
  // As Envoy: a colon without digits is no port.
  if ((rules.stripAnyHostPort && port.length > 1) || (rules.stripMatchingHostPort && port === `:${localPort}`)) port = '';
  if (rules.stripTrailingHostDot && host.endsWith('.')) host = host.slice(0, -1);
  return host + port;
}
