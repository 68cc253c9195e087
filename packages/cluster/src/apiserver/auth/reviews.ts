// The review resources: created, answered, never stored. RBAC objects are stored but not enforced, so every authenticated user is
// allowed everything, and the reviews say so.

import type { KubeObject, TokenReview } from '@lateen/kube/types';
import { type ApiReply, json } from '../http/exchange.ts';
import { readObject } from '../rest/body.ts';
import type { Call } from '../rest/call.ts';
import { timestamp } from '../rest/call.ts';
import { invalid } from '../status.ts';
import { ISSUER, type ServiceAccountTokens } from './service-account-tokens.ts';

const REASON = 'RBAC is stored but not enforced by this API server';

/** Answers POST on one of the review resources. */
export function review(call: Call, tokens: ServiceAccountTokens): ApiReply {
  const object = readObject(call);
  return json(201, { ...object, metadata: { ...object.metadata, creationTimestamp: null }, status: statusOf(object, call, tokens) });
}

function statusOf(object: KubeObject, call: Call, tokens: ServiceAccountTokens): unknown {
  switch (object.kind) {
    case 'SelfSubjectReview':
      return { userInfo: call.request.user };
    case 'TokenReview':
      return reviewToken(object as unknown as TokenReview, tokens);
    case 'SelfSubjectRulesReview':
      return {
        resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
        nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
        incomplete: false,
      };
    default:
      return { allowed: true, reason: REASON };
  }
}

function reviewToken({ spec }: TokenReview, tokens: ServiceAccountTokens): TokenReview['status'] {
  const verified = tokens.verify(spec.token ?? '', spec.audiences?.length ? spec.audiences : [ISSUER]);
  if (!verified.ok) return { authenticated: false, error: verified.error };
  return { authenticated: true, user: verified.value.user, audiences: verified.value.audiences };
}

type TokenSpec = { audiences?: string[]; expirationSeconds?: number; boundObjectRef?: { kind?: string; name?: string; uid?: string } };

/** POST …/serviceaccounts/NAME/token. @throws ApiError */
export function requestToken(call: Call, options: { request: KubeObject; account: KubeObject; tokens: ServiceAccountTokens }): ApiReply {
  const { request, account, tokens } = options;
  const spec = (request['spec'] ?? {}) as TokenSpec;
  const seconds = spec.expirationSeconds ?? 3600;
  if (seconds < 600 || seconds > 2 ** 32) {
    throw invalid({ group: 'authentication.k8s.io', kind: 'TokenRequest' }, '', [
      {
        reason: 'Invalid',
        field: 'spec.expirationSeconds',
        value: seconds,
        message: seconds < 600 ? 'may not specify a duration less than 10 minutes' : 'may not specify a duration larger than 2^32 seconds',
      },
    ]);
  }
  const audiences = spec.audiences?.length ? spec.audiences : [ISSUER];
  const bound = spec.boundObjectRef?.kind === 'Pod' ? podOf(call, spec.boundObjectRef) : undefined;
  const issued = tokens.issue({
    namespace: call.namespace ?? '',
    serviceAccount: { name: account.metadata.name, uid: account.metadata.uid ?? '' },
    ...(bound ? { pod: bound } : {}),
    audiences,
    expirationSeconds: seconds,
  });
  return json(201, {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { name: account.metadata.name, namespace: call.namespace, creationTimestamp: timestamp(call.core.clock.now()) },
    spec: { ...spec, audiences, expirationSeconds: seconds, boundObjectRef: spec.boundObjectRef ?? null },
    status: issued,
  });
}

function podOf(call: Call, ref: { name?: string; uid?: string }): { name: string; uid: string } {
  const name = ref.name ?? '';
  const pod = call.core.store.get({ resource: 'pods', namespace: call.namespace ?? '', name });
  const uid = pod?.metadata.uid;
  if (!uid || (ref.uid && ref.uid !== uid)) {
    throw invalid({ group: 'authentication.k8s.io', kind: 'TokenRequest' }, '', [
      { reason: 'NotFound', field: 'spec.boundObjectRef', value: name },
    ]);
  }
  return { name, uid };
}
