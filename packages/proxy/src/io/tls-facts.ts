// What a connection can tell of the TLS session that carries it.

/** What is known of a TLS session that ends in this proxy, downstream or upstream. */
export type TlsFacts = {
  /** "TLSv1.3". */
  readonly version: string;
  /** Cipher suite by its OpenSSL name. */
  readonly cipher: string;
  /** Hexadecimal; empty when the session has none. */
  readonly sessionId: string;
  /** SNI, as sent; empty when there was none. */
  readonly serverName: string;
  /** As negotiated by ALPN; empty when none was. */
  readonly applicationProtocol: string;
  /** The peer's certificate was checked against a trust bundle and found good. */
  readonly peerVerified: boolean;
  readonly peer: CertificateFacts | undefined;
  readonly local: CertificateFacts | undefined;
};

/** One certificate; what costs to make is made when asked. */
export type CertificateFacts = {
  /** RFC 2253. */
  readonly subject: string;
  readonly issuer: string;
  /** Hexadecimal. */
  readonly serialNumber: string;
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  readonly ipSans: readonly string[];
  readonly emailSans: readonly string[];
  /** SHA-256 of the DER, hexadecimal without colons. */
  readonly fingerprint256: string;
  readonly fingerprint1: string;
  /** Wall clock, milliseconds since the epoch. */
  readonly validFromMs: number;
  readonly validToMs: number;
  /** The certificate, and with its chain. */
  pem(): string;
  chainPem(): string;
};
