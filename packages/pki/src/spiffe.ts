// SPIFFE identities as Istio writes them: spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT.

import { fail, ok, type Result } from '@lateen/base';

export type SpiffeId = { trustDomain: string; path: string };
export type WorkloadIdentity = { trustDomain: string; namespace: string; serviceAccount: string };

const MAX_ID_LENGTH = 2048;
const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;
const SEGMENT = /^[A-Za-z0-9._-]+$/;

/** Parses a SPIFFE ID strictly (SPIFFE-ID, section 2): no port, query, fragment, empty or dot segments. */
export function parseSpiffeId(uri: string): Result<SpiffeId> {
  if (uri.length > MAX_ID_LENGTH) return fail('the SPIFFE ID is longer than 2048 bytes');
  if (!uri.startsWith('spiffe://')) return fail('not a spiffe:// URI');
  const rest = uri.slice('spiffe://'.length);
  const slash = rest.indexOf('/');
  const trustDomain = slash < 0 ? rest : rest.slice(0, slash);
  const path = slash < 0 ? '' : rest.slice(slash);
  if (!TRUST_DOMAIN.test(trustDomain)) return fail('invalid trust domain');
  const segments = path.split('/').slice(1);
  if (!segments.every((segment) => SEGMENT.test(segment) && segment !== '.' && segment !== '..')) return fail('invalid path');
  return ok({ trustDomain, path });
}

export function parseWorkloadIdentity(uri: string): Result<WorkloadIdentity> {
  const id = parseSpiffeId(uri);
  if (!id.ok) return id;
  const match = /^\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(id.value.path);
  if (!match) return fail('not of the form spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT');
  return ok({ trustDomain: id.value.trustDomain, namespace: match[1] as string, serviceAccount: match[2] as string });
}

export function formatWorkloadIdentity({ trustDomain, namespace, serviceAccount }: WorkloadIdentity): string {
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}
