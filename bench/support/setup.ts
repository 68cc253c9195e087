// What a proxy is asked to do, said once for all peers.

export type Protocol = 'http1' | 'http2' | 'tcp';

export type Setup = {
  downstream: Protocol;
  upstream: Protocol;
  /** TLS with client certificates on both legs. Files are PEM. */
  tls?: TlsFiles;
  /** TLS from the client, who needs no certificate; plaintext upstream. */
  serverTls?: TlsFiles;
  upstreamPort: number;
  /** Path prefixes in the order of matching; all lead to the one upstream. HTTP only. */
  prefixes: readonly string[];
  /** Clusters beside the one that serves; they have one endpoint each and get no request. */
  idleClusters?: number;
};

export type TlsFiles = { ca: string; certificate: string; key: string; both: string };

/** The reference's four; requests go to `REQUEST_PATH`, which only the third matches. */
export const FOUR_PREFIXES: readonly string[] = ['/static/', '/admin/', '/api/', '/'];
export const REQUEST_PATH = '/api/orders/42';

/** What every proxy does to headers: X-Forwarded-For, X-Forwarded-Proto and X-Request-Id set; one removed, one added on the way back. */
export const REMOVED_RESPONSE_HEADER = 'x-powered-by';
export const ADDED_RESPONSE_HEADER = 'x-bench';
