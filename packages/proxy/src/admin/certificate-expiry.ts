// When the first of all certificates in force expires.

import { parseCertificates } from '@lateen/pki';
import { secretsOfCluster, secretsOfListener } from '../ads/secret-table.ts';
import type { Runtime, SecretRuntime } from '../runtime/model.ts';
import { resolveSecret } from '../tls/server-contexts.ts';

const DAY_MS = 86_400_000;
/** A secret never changes; its successor is another object. */
const known = new WeakMap<SecretRuntime, number>();

/** Whole days, 0 when one has expired; undefined without certificates. */
export function daysUntilFirstExpiry(runtime: Runtime, nowMs: number): number | undefined {
  let first = Number.POSITIVE_INFINITY;
  const contexts = [...[...runtime.listeners.values()].map(secretsOfListener), ...[...runtime.clusters.values()].map(secretsOfCluster)];
  for (const ref of contexts.flat()) {
    const secret = resolveSecret(ref, (key) => runtime.secrets.get(key));
    if (secret) first = Math.min(first, expiryOf(secret));
  }
  return Number.isFinite(first) ? Math.max(0, Math.floor((first - nowMs) / DAY_MS)) : undefined;
}

function expiryOf(secret: SecretRuntime): number {
  const before = known.get(secret);
  if (before !== undefined) return before;
  const pems =
    secret.kind === 'certificate'
      ? [secret.chainPem]
      : secret.kind === 'validation'
        ? [secret.validation.trustedCaPem, ...secret.validation.trustDomains.values()]
        : [];
  const ends = pems.flatMap((pem) => {
    const certificates = pem ? parseCertificates(pem) : undefined;
    return certificates?.ok ? certificates.value.map(({ validTo }) => Date.parse(validTo)) : [];
  });
  const expiry = Math.min(Number.POSITIVE_INFINITY, ...ends);
  known.set(secret, expiry);
  return expiry;
}
