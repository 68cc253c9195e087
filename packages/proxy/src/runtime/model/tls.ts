// TLS contexts and secrets.

import type { ConfigSourceRuntime } from './config-source.ts';

/** Bytes of a secret: in the configuration, or where the proxy runs. */
export type DataRef =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'environment'; readonly name: string };

/** A secret whose bytes may be in files or variables of the place where the proxy runs. `build` throws what `read` throws. */
export type SecretPlan = {
  readonly name: string;
  readonly files: readonly string[];
  /** When one of these changes by a rename, the files are read again; without any, the files themselves are watched. */
  readonly watchedDirectories: readonly string[];
  /** Nothing has to be read. */
  readonly isInline: boolean;
  build(read: (data: DataRef) => Uint8Array): SecretRuntime;
};

/** Where a named secret is asked for. */
export type SecretSource =
  | ConfigSourceRuntime
  /** A secret of the bootstrap. */
  | { readonly kind: 'static' }
  | { readonly kind: 'local'; readonly plan: SecretPlan };

/** Where certificates come from: the configuration itself, or `Runtime.secrets` under `key`. */
export type SecretRef =
  | { readonly kind: 'inline'; readonly secret: SecretRuntime }
  | { readonly kind: 'named'; readonly key: string; readonly name: string; readonly source: SecretSource };

export type SecretRuntime = { readonly name: string } & (
  | CertificateSecret
  | { readonly kind: 'validation'; readonly validation: ValidationRuntime }
  | { readonly kind: 'ticket_keys'; readonly keys: readonly Uint8Array[] }
  | { readonly kind: 'generic'; readonly value: Uint8Array }
);
export type CertificateSecret = {
  readonly kind: 'certificate';
  readonly chainPem: string;
  readonly keyPem: string;
  /** Empty: the key is not encrypted. */
  readonly passphrase: string;
  readonly ocspStaple: Uint8Array | undefined;
  /** Files they came from, for /certs. */
  readonly chainPath: string;
};

export type SanMatcher = {
  readonly type: 'dns' | 'uri' | 'email' | 'ip' | 'other_name';
  /** Of an other_name. */
  readonly oid: string;
  /** For people, and identity: equal texts match alike. */
  readonly text: string;
  matches(name: string): boolean;
};

export type ValidationRuntime = {
  /** Empty: the peer's chain is not checked. */
  readonly trustedCaPem: string;
  readonly trustedCaPath: string;
  /** Trust what the machine trusts, instead of `trustedCaPem`. */
  readonly systemRoots: boolean;
  readonly crlPem: string;
  /** One must match one name of the peer; empty: any peer. */
  readonly matchSubjectAltNames: readonly SanMatcher[];
  /** base64 of SHA-256. With `verifyCertificateHash`, one of both must match. */
  readonly verifyCertificateSpki: readonly string[];
  /** Lower-case hex of SHA-256. */
  readonly verifyCertificateHash: readonly string[];
  /** SPIFFE trust domain -> PEM bundle; when not empty, replaces `trustedCaPem`. */
  readonly trustDomains: ReadonlyMap<string, string>;
  /** A chain that leads to no trusted root is accepted (and recorded as not verified). */
  readonly acceptUntrusted: boolean;
  readonly allowExpired: boolean;
  /** At which depth the trusted root may be at most, the leaf being 0; undefined: any. */
  readonly maxVerifyDepth: number | undefined;
};

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

export type CommonTls = {
  readonly certificates: readonly SecretRef[];
  readonly validation: SecretRef | undefined;
  /** What a combined validation context adds to the one from SDS. */
  readonly defaultValidation: ValidationRuntime | undefined;
  readonly alpnProtocols: readonly string[];
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** OpenSSL's names, TLS 1.2 and below; TLS 1.3 suites are not configurable. */
  readonly cipherSuites: readonly string[];
  readonly ecdhCurves: readonly string[];
  /** Empty: OpenSSL's. */
  readonly signatureAlgorithms: readonly string[];
};

export type DownstreamTlsRuntime = CommonTls & {
  readonly requireClientCertificate: boolean;
  readonly requireSni: boolean;
  /** `disabled`: every handshake is a full one. `keys`: tickets of other processes with the same keys are not understood. */
  readonly sessionTickets:
    | { readonly kind: 'automatic' }
    | { readonly kind: 'disabled' }
    | { readonly kind: 'keys'; readonly keys: SecretRef };
  readonly sessionTimeoutSeconds: number;
  readonly preferClientCiphers: boolean;
  /** For a name that no certificate has: look through all of them for one that fits the client, instead of the first. */
  readonly fullScanOnSniMismatch: boolean;
};

export type UpstreamTlsRuntime = CommonTls & {
  /** Empty: none, unless the request decides. */
  readonly sni: string;
  /** The endpoint's host name, where it has one, replaces `sni`. */
  readonly autoHostSni: boolean;
  /** The peer must have the SNI that was sent as one of its DNS names; this replaces other names asked for. */
  readonly autoSniSanValidation: boolean;
  /** How many sessions per host are kept for resumption; 0 = none. */
  readonly maxSessionKeys: number;
};
