// TLS contexts and secrets.

/** Where certificates come from: inline bytes, or a name in `Runtime.secrets`. */
export type SecretRef = { readonly kind: 'inline'; readonly secret: SecretRuntime } | { readonly kind: 'sds'; readonly name: string };

export type SecretRuntime = { readonly name: string } & (
  | { readonly kind: 'certificate'; readonly chainPem: string; readonly keyPem: string; readonly ocspStaple: Uint8Array | undefined }
  | { readonly kind: 'validation'; readonly validation: ValidationRuntime }
  | { readonly kind: 'generic'; readonly value: Uint8Array }
);

export type ValidationRuntime = {
  /** Empty: the peer's chain is not checked (the peer must still match, if names are asked). */
  readonly trustedCaPem: string;
  readonly crlPem: string;
  readonly matchSubjectAltNames: readonly {
    readonly type: 'any' | 'dns' | 'uri' | 'email' | 'ip';
    readonly text: string;
    matches(name: string): boolean;
  }[];
  readonly verifyCertificateSpki: readonly string[];
  readonly verifyCertificateHash: readonly string[];
  /** SPIFFE trust domain -> PEM bundle; when not empty, replaces `trustedCaPem`. */
  readonly trustDomains: ReadonlyMap<string, string>;
  readonly acceptUntrusted: boolean;
};

type CommonTls = {
  readonly certificates: readonly SecretRef[];
  readonly validation: SecretRef | undefined;
  /** SAN matchers etc. that a combined validation context adds to the one from SDS. */
  readonly defaultValidation: ValidationRuntime | undefined;
  readonly alpnProtocols: readonly string[];
  readonly minVersion: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  readonly maxVersion: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  readonly cipherSuites: readonly string[];
  readonly ecdhCurves: readonly string[];
};

export type DownstreamTlsRuntime = CommonTls & { readonly requireClientCertificate: boolean; readonly requireSni: boolean };
export type UpstreamTlsRuntime = CommonTls & { readonly sni: string; readonly autoHostSni: boolean; readonly autoSanValidation: boolean };
