// Consistent hashing: what a route hashes on.

import { create } from '@bufbuild/protobuf';
import { type RouteAction_HashPolicy, RouteAction_HashPolicySchema } from '@lateen/xds/messages/config';
import type { LoadBalancerSpec } from '../model/index.ts';
import { goDuration } from './pack.ts';

export function hashPolicies(loadBalancer: LoadBalancerSpec | undefined): RouteAction_HashPolicy[] {
  const hash = loadBalancer?.consistentHash;
  if (!hash) return [];
  if (hash.httpHeaderName) return [policy({ case: 'header', value: { headerName: hash.httpHeaderName } })];
  if (hash.httpCookie) {
    const { name, path = '', attributes = [] } = hash.httpCookie;
    const ttl = goDuration(hash.httpCookie.ttl);
    const value = { name, path, ...(ttl && { ttl }), attributes: attributes.map((one) => ({ name: one.name, value: one.value ?? '' })) };
    return [policy({ case: 'cookie', value })];
  }
  if (hash.useSourceIp) return [policy({ case: 'connectionProperties', value: { sourceIp: true } })];
  if (hash.httpQueryParameterName) return [policy({ case: 'queryParameter', value: { name: hash.httpQueryParameterName } })];
  return [];
}

type Specifier = NonNullable<Parameters<typeof create<typeof RouteAction_HashPolicySchema>>[1]>['policySpecifier'];

const policy = (policySpecifier: NonNullable<Specifier>): RouteAction_HashPolicy =>
  create(RouteAction_HashPolicySchema, { policySpecifier });
