// Checks of names, hosts, addresses and ports. Each gives the problem as a sentence, or undefined.

import { parseCidr, parseIp } from '@lateen/base';

// Lengths are checked before any of these run, so their backtracking is bounded.
const DNS_LABEL = /^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$/;
const WILDCARD_LABEL = /^(?:\*|(?:\*|\*-)?[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)$/;
const QUALIFIED_NAME = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const ALL_DIGITS = /^[-+]?\d+$/;

const quote = (text: string): string => JSON.stringify(text.length > 120 ? `${text.slice(0, 117)}...` : text);

export const isDnsLabel = (text: string): boolean => text.length <= 63 && DNS_LABEL.test(text);
export const isWildcardLabel = (text: string): boolean => text.length <= 64 && WILDCARD_LABEL.test(text);
export const isIpAddress = (text: string): boolean => parseIp(text) !== undefined;

/** Labels of a domain; the last may be empty ("istio.io."), but not all digits. */
function domainLabelsProblem(domain: string): string | undefined {
  const labels = domain.split('.');
  const last = labels.at(-1) as string;
  if (ALL_DIGITS.test(last)) return `domain name ${quote(domain)} invalid (top level domain ${quote(last)} cannot be all-numeric)`;
  for (const [i, label] of labels.entries()) {
    if (i === labels.length - 1 && label === '') return undefined;
    if (!isDnsLabel(label)) return `domain name ${quote(domain)} invalid (label ${quote(label)} invalid)`;
  }
  return undefined;
}

function domainLengthProblem(domain: string): string | undefined {
  if (domain.length === 0) return 'empty domain name not allowed';
  return domain.length > 255 ? `domain name ${quote(domain)} too long (max 255)` : undefined;
}

export function fqdnProblem(domain: string): string | undefined {
  return domainLengthProblem(domain) ?? domainLabelsProblem(domain);
}

/** A domain whose first label may hold a wildcard. */
export function wildcardDomainProblem(domain: string): string | undefined {
  const tooLong = domainLengthProblem(domain);
  if (tooLong) return tooLong;
  const dot = domain.indexOf('.');
  const first = dot < 0 ? domain : domain.slice(0, dot);
  if (!isWildcardLabel(first)) return `domain name ${quote(domain)} invalid (label ${quote(first)} invalid)`;
  return dot < 0 ? undefined : domainLabelsProblem(domain.slice(dot + 1));
}

/** As `wildcardDomainProblem`; with `sni`, also names of east-west traffic like `outbound_.80_._.a.b`. */
export function gatewayHostProblem(domain: string, sni: boolean): string | undefined {
  if (sni && domain.startsWith('outbound_.')) {
    const next = domain.charCodeAt('outbound_.'.length);
    return domain.length <= 255 && next >= 0x30 && next <= 0x38
      ? undefined
      : `domain name ${quote(domain)} invalid (label "outbound_" invalid)`;
  }
  return wildcardDomainProblem(domain);
}

/** `*` inside a label is refused except as the whole first label. */
export function partialWildcardProblem(host: string): string | undefined {
  return host.includes('*') && host.length !== 1 && !host.startsWith('*.') ? `partial wildcard ${quote(host)} not allowed` : undefined;
}

export function portProblem(port: number): string | undefined {
  return port >= 1 && port <= 65535 ? undefined : `port number ${port} must be in the range 1..65535`;
}

export function ipProblem(address: string): string | undefined {
  return isIpAddress(address) ? undefined : `${quote(address)} is not a valid IP`;
}

export function subnetProblem(subnet: string): string | undefined {
  if (!subnet.includes('/')) return ipProblem(subnet);
  return parseCidr(subnet).ok ? undefined : `${quote(subnet)} is not a valid CIDR block`;
}

/** A path of a Unix socket, after "unix://". */
export function unixPathProblem(path: string): string | undefined {
  if (path === '') return 'unix address must not be empty';
  if (path.startsWith('@')) return undefined;
  return !path.startsWith('/') || path.endsWith('/') ? `${quote(path)} is not an absolute path to a file` : undefined;
}

export const UNIX_PREFIX = 'unix://';

/** Kubernetes' rule for labels: optional DNS prefix, name and value of at most 63 characters. */
export function labelsProblem(labels: Record<string, string> | undefined): string | undefined {
  for (const [key, value] of Object.entries(labels ?? {})) {
    const slash = key.indexOf('/');
    const name = key.slice(slash + 1);
    if (slash >= 0 && fqdnProblem(key.slice(0, slash))) return `invalid tag key: ${quote(key)}`;
    if (name.length > 63 || !QUALIFIED_NAME.test(name)) return `invalid tag key: ${quote(key)}`;
    if (value !== '' && (value.length > 63 || !QUALIFIED_NAME.test(value))) return `invalid tag value: ${quote(value)}`;
  }
  return undefined;
}

export function portNameProblem(name: string): string | undefined {
  return isDnsLabel(name) ? undefined : `invalid port name: ${quote(name)}`;
}

/** "host:port" with a valid host and port. */
export function hostPortProblem(address: string): string | undefined {
  const colon = address.lastIndexOf(':');
  if (colon < 0) return `${quote(address)} has no port`;
  const port = address.slice(colon + 1);
  if (!/^\d{1,5}$/.test(port)) return `port (${port.slice(0, 20)}) is not a number`;
  const bad = portProblem(Number(port));
  if (bad) return bad;
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  return fqdnProblem(host) && !isIpAddress(host) ? `${quote(host)} is not a valid hostname or an IP address` : undefined;
}
