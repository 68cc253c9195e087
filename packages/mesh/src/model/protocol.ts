// Protocol selection of a port (Istio "Protocol Selection"): appProtocol, then the port name's prefix, then well-known
// ports, then sniffing.

export type Protocol = 'HTTP' | 'HTTP2' | 'GRPC' | 'GRPC-Web' | 'HTTPS' | 'TLS' | 'TCP' | 'Mongo' | 'MySQL' | 'Redis' | 'UDP' | 'Sniffed';

export type ProtocolChoice = { protocol: Protocol; reason: string };

const BY_NAME: Readonly<Record<string, Protocol>> = {
  http: 'HTTP',
  http2: 'HTTP2',
  grpc: 'GRPC',
  'grpc-web': 'GRPC-Web',
  https: 'HTTPS',
  tls: 'TLS',
  tcp: 'TCP',
  mongo: 'Mongo',
  mysql: 'MySQL',
  redis: 'Redis',
  udp: 'UDP',
};

const BY_APP_PROTOCOL: Readonly<Record<string, Protocol>> = {
  'kubernetes.io/h2c': 'HTTP2',
  'kubernetes.io/ws': 'HTTP',
  'kubernetes.io/wss': 'HTTPS',
};

// Server-first protocols: waiting for the client's first bytes would hang them.
const ALWAYS_TCP: ReadonlyMap<number, Protocol> = new Map([
  [25, 'TCP'],
  [53, 'TCP'],
  [3306, 'MySQL'],
  [27017, 'Mongo'],
]);

/** The protocol of a Service port, and why. */
export function selectProtocol(port: { name?: string; port: number; protocol?: string; appProtocol?: string }): ProtocolChoice {
  if (port.protocol === 'UDP' || port.protocol === 'SCTP') return { protocol: 'UDP', reason: `transport ${port.protocol}` };
  const appProtocol = port.appProtocol?.toLowerCase();
  if (appProtocol) {
    const known = Object.hasOwn(BY_APP_PROTOCOL, appProtocol) ? BY_APP_PROTOCOL[appProtocol] : byPrefix(appProtocol);
    if (known) return { protocol: known, reason: `appProtocol ${port.appProtocol}` };
  }
  const named = byPrefix(port.name?.toLowerCase() ?? '');
  if (named) return { protocol: named, reason: `port name ${port.name}` };
  const wellKnown = ALWAYS_TCP.get(port.port);
  if (wellKnown) return { protocol: wellKnown, reason: `well-known port ${port.port}` };
  return { protocol: 'Sniffed', reason: 'no protocol in the port name or appProtocol: detected from the first bytes' };
}

/** The protocol an Istio object spells in a `protocol` field (`HTTP`, `grpc`, `HTTPS`, …). */
export function parseProtocol(text: string | undefined): Protocol {
  const known = text ? byPrefix(text.toLowerCase()) : undefined;
  return known ?? 'Sniffed';
}

export const isHttp = (protocol: Protocol): boolean =>
  protocol === 'HTTP' || protocol === 'HTTP2' || protocol === 'GRPC' || protocol === 'GRPC-Web';
export const isHttp2 = (protocol: Protocol): boolean => protocol === 'HTTP2' || protocol === 'GRPC' || protocol === 'GRPC-Web';
export const isTls = (protocol: Protocol): boolean => protocol === 'HTTPS' || protocol === 'TLS';

function byPrefix(name: string): Protocol | undefined {
  if (name === 'grpc-web' || name.startsWith('grpc-web-')) return 'GRPC-Web';
  const prefix = name.split('-', 1)[0] as string;
  return Object.hasOwn(BY_NAME, prefix) ? BY_NAME[prefix] : undefined;
}
