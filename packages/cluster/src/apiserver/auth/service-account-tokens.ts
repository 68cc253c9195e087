// Service account tokens: JWTs signed with the server's key, bound to an audience and, if asked, to a pod.

import { createPrivateKey, createPublicKey, type KeyObject, randomUUID, sign, verify } from 'node:crypto';
import { type Clock, fail, isObject, ok, parseJson, type Result } from '@lateen/base';
import type { UserInfo } from '@lateen/kube/types';
import type { Store } from '../../store/index.ts';

export const ISSUER = 'https://kubernetes.default.svc.cluster.local';
const MAX_TOKEN = 16 * 1024;

export type TokenSubject = {
  namespace: string;
  serviceAccount: { name: string; uid: string };
  pod?: { name: string; uid: string };
  audiences: string[];
  expirationSeconds: number;
};

export type VerifiedToken = { user: UserInfo; audiences: string[] };

export type ServiceAccountTokens = {
  issue(subject: TokenSubject): { token: string; expirationTimestamp: string };
  /** Checks signature, times, audience (any of `audiences`) and that account and pod still exist. */
  verify(token: string, audiences: readonly string[]): Result<VerifiedToken>;
  /** The public key as a JSON Web Key Set. */
  keySet(): unknown;
};

/** Tokens signed with `keyPem`, an EC P-256 or RSA private key. @throws Error when it is no such key */
export function createServiceAccountTokens(options: { keyPem: string; store: Store; clock: Clock }): ServiceAccountTokens {
  const { store, clock } = options;
  const privateKey = createPrivateKey(options.keyPem);
  const publicKey = createPublicKey(privateKey);
  const algorithm = privateKey.asymmetricKeyType === 'rsa' ? 'RS256' : 'ES256';
  const header = encode({ alg: algorithm, kid: 'lateen', typ: 'JWT' });
  return {
    issue(subject) {
      const now = Math.floor(clock.now() / 1000);
      const { namespace, serviceAccount, pod } = subject;
      const claims = {
        iss: ISSUER,
        sub: `system:serviceaccount:${namespace}:${serviceAccount.name}`,
        aud: subject.audiences,
        iat: now,
        nbf: now,
        exp: now + subject.expirationSeconds,
        jti: randomUUID(),
        'kubernetes.io': { namespace, serviceaccount: serviceAccount, ...(pod ? { pod } : {}) },
      };
      const signed = `${header}.${encode(claims)}`;
      const signature = sign('sha256', Buffer.from(signed), signingKey(privateKey)).toString('base64url');
      return { token: `${signed}.${signature}`, expirationTimestamp: new Date(claims.exp * 1000).toISOString().replace('.000', '') };
    },
    verify(token, audiences) {
      const claims = readClaims(token, { publicKey, algorithm });
      if (!claims.ok) return claims;
      return identify(claims.value, { audiences, store, nowS: clock.now() / 1000 });
    },
    keySet: () => ({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'lateen', use: 'sig', alg: algorithm }] }),
  };
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const signingKey = (key: KeyObject) => (key.asymmetricKeyType === 'rsa' ? { key } : { key, dsaEncoding: 'ieee-p1363' as const });

function readClaims(token: string, { publicKey, algorithm }: { publicKey: KeyObject; algorithm: string }): Result<Record<string, unknown>> {
  if (token.length > MAX_TOKEN) return fail('the token is too long');
  const [head, body, signature, ...rest] = token.split('.');
  if (!head || !body || !signature || rest.length > 0) return fail('the token is not a JWT');
  try {
    const header = parseJson(Buffer.from(head, 'base64url').toString(), { maxDepth: 4 });
    // The algorithm is ours to choose, never the token's.
    if (!isObject(header) || header['alg'] !== algorithm) return fail('the token is signed in another way');
    if (!verify('sha256', Buffer.from(`${head}.${body}`), signingKey(publicKey), Buffer.from(signature, 'base64url')))
      return fail('invalid token signature');
    const claims = parseJson(Buffer.from(body, 'base64url').toString(), { maxDepth: 16 });
    return isObject(claims) ? ok(claims) : fail('the token has no claims');
  } catch {
    return fail('the token is malformed');
  }
}

function identify(
  claims: Record<string, unknown>,
  context: { audiences: readonly string[]; store: Store; nowS: number },
): Result<VerifiedToken> {
  const { store, nowS } = context;
  if (claims['iss'] !== ISSUER) return fail('the token is of another issuer');
  if (!(Number(claims['exp']) > nowS)) return fail('the token has expired');
  // A little leeway, because times are whole seconds.
  if (Number(claims['nbf']) > nowS + 60) return fail('the token is not valid yet');
  const tokenAudiences = Array.isArray(claims['aud']) ? claims['aud'].map(String) : [String(claims['aud'])];
  const audiences = context.audiences.filter((one) => tokenAudiences.includes(one));
  if (audiences.length === 0)
    return fail(
      `token audiences ${JSON.stringify(tokenAudiences)} is invalid for the target audiences ${JSON.stringify(context.audiences)}`,
    );
  const bound = claims['kubernetes.io'] as
    | { namespace?: string; serviceaccount?: { name?: string; uid?: string }; pod?: { name?: string; uid?: string } }
    | undefined;
  const { namespace = '', serviceaccount: account, pod } = bound ?? {};
  const found = store.get({ resource: 'serviceaccounts', namespace, name: account?.name ?? '' });
  if (!account || !found || found.metadata.uid !== account.uid) return fail('the service account of the token is gone');
  if (pod && store.get({ resource: 'pods', namespace, name: pod.name ?? '' })?.metadata.uid !== pod.uid)
    return fail('the pod of the token is gone');
  const user: UserInfo = {
    username: `system:serviceaccount:${namespace}:${account.name}`,
    uid: account.uid ?? '',
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
    ...(pod
      ? { extra: { 'authentication.kubernetes.io/pod-name': [pod.name ?? ''], 'authentication.kubernetes.io/pod-uid': [pod.uid ?? ''] } }
      : {}),
  };
  return ok({ user, audiences });
}
