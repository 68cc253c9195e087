// Protocols a port can declare, as Istio reads them (upper and lower case alike).

const HTTP = new Set(['http', 'http2', 'grpc', 'grpc-web', 'http_proxy']);
const TLS = new Set(['https', 'tls']);
const OTHER = new Set(['tcp', 'udp', 'mongo', 'redis', 'mysql', 'hbone', 'double-hbone']);

const known = (protocol: string): string => protocol.toLowerCase();

export const isKnownProtocol = (protocol: string): boolean => {
  const name = known(protocol);
  return HTTP.has(name) || TLS.has(name) || OTHER.has(name);
};
export const isHttpProtocol = (protocol: string): boolean => HTTP.has(known(protocol));
export const isTlsProtocol = (protocol: string): boolean => TLS.has(known(protocol));
/** Whether connections are told apart by address and SNI only. */
export const isTcpProtocol = (protocol: string): boolean =>
  TLS.has(known(protocol)) || ['tcp', 'mongo', 'redis', 'mysql'].includes(known(protocol));

/** Empty means "detect". */
export function protocolProblem(protocol: string): string | undefined {
  return protocol !== '' && !isKnownProtocol(protocol) ? `unsupported protocol: ${protocol.slice(0, 60)}` : undefined;
}

/** Ports whose first bytes come from the server, so nothing can be detected: always TCP. */
const SERVER_FIRST_PORTS = new Set([25, 53, 3306, 27017]);

/** Protocols of appProtocol that Kubernetes defines. */
const KUBERNETES_PROTOCOLS: Record<string, string> = {
  'kubernetes.io/h2c': 'http2',
  'kubernetes.io/ws': 'http',
  'kubernetes.io/wss': 'https',
};

export type NamedPort = { name?: string; port: number; protocol?: string; appProtocol?: string };

/** The protocol a Service port declares by appProtocol or name ("http", "grpc-web"), or undefined when it must be detected. */
export function parseServicePortProtocol({ name = '', port, protocol = 'TCP', appProtocol }: NamedPort): string | undefined {
  if (protocol === 'UDP') return 'udp';
  const declared = appProtocol?.toLowerCase();
  if (declared) {
    const mapped = Object.hasOwn(KUBERNETES_PROTOCOLS, declared) ? KUBERNETES_PROTOCOLS[declared] : declared;
    if (mapped && isKnownProtocol(mapped)) return mapped;
  }
  if (SERVER_FIRST_PORTS.has(port)) return 'tcp';
  const lower = name.toLowerCase();
  if (lower === 'grpc-web' || lower.startsWith('grpc-web-')) return 'grpc-web';
  const prefix = lower.split('-')[0] as string;
  return isKnownProtocol(prefix) ? prefix : undefined;
}
