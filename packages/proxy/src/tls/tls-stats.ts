// Counters of handshakes, under Envoy's names ("listener.<address>.ssl.handshake", "cluster.<name>.ssl.handshake").

export class TlsStats {
  handshake = 0;
  connection_error = 0;
  session_reused = 0;
  no_certificate = 0;
  fail_verify_no_cert = 0;
  fail_verify_error = 0;
  fail_verify_san = 0;
  fail_verify_cert_hash = 0;
  /** Connections that met a context whose secrets have not arrived ("ssl_socket_factory.…_context_secrets_not_ready"). */
  context_secrets_not_ready = 0;
  /** How often new secrets came into force ("ssl_socket_factory.ssl_context_update_by_sds"). */
  context_update_by_sds = 0;
  /** By name: TLSv1.3, TLS_AES_128_GCM_SHA256 … */
  readonly versions = new Map<string, number>();
  readonly ciphers = new Map<string, number>();

  countSession(version: string, cipher: string): void {
    this.handshake++;
    this.versions.set(version, (this.versions.get(version) ?? 0) + 1);
    this.ciphers.set(cipher, (this.ciphers.get(cipher) ?? 0) + 1);
  }

  /** Names below "ssl." and values. */
  *entries(): Generator<readonly [name: string, value: number]> {
    yield ['handshake', this.handshake];
    yield ['connection_error', this.connection_error];
    yield ['session_reused', this.session_reused];
    yield ['no_certificate', this.no_certificate];
    yield ['fail_verify_no_cert', this.fail_verify_no_cert];
    yield ['fail_verify_error', this.fail_verify_error];
    yield ['fail_verify_san', this.fail_verify_san];
    yield ['fail_verify_cert_hash', this.fail_verify_cert_hash];
    for (const [version, count] of this.versions) yield [`versions.${version}`, count];
    for (const [cipher, count] of this.ciphers) yield [`ciphers.${cipher}`, count];
  }
}

const byOwner = new WeakMap<object, TlsStats>();

/** The counters of a listener or cluster, made at first use; they live as long as it does. */
export function tlsStatsOf(owner: object): TlsStats {
  let stats = byOwner.get(owner);
  if (!stats) {
    stats = new TlsStats();
    byOwner.set(owner, stats);
  }
  return stats;
}
