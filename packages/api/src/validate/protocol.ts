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
