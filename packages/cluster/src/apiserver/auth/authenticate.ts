// Who sends a request: a client certificate, a static token, or a service account token.

import { timingSafeEqual } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { UserInfo } from '@lateen/kube/types';
import { ISSUER, type ServiceAccountTokens } from './service-account-tokens.ts';

/** The identity of requests made inside this process. */
export const SYSTEM_USER: UserInfo = { username: 'system:lateen', groups: ['system:masters', 'system:authenticated'] };

export type Authenticator = (credentials: { authorization: string | undefined; socket: unknown }) => UserInfo | undefined;

/** `adminTokens` are accepted as they stand, as cluster administrators. */
export function createAuthenticator(options: { tokens: ServiceAccountTokens; adminTokens: readonly string[] }): Authenticator {
  return ({ authorization, socket }) => {
    const bearer = /^bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    if (bearer !== undefined) {
      if (options.adminTokens.some((one) => equal(one, bearer)))
        return { username: 'admin', groups: ['system:masters', 'system:authenticated'] };
      const verified = options.tokens.verify(bearer, [ISSUER]);
      return verified.ok ? verified.value.user : undefined;
    }
    return certificateUser(socket as Partial<TLSSocket> | undefined);
  };
}

function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

// Only what the TLS layer has verified against the cluster's CA.
function certificateUser(socket: Partial<TLSSocket> | undefined): UserInfo | undefined {
  if (!socket?.authorized || !socket.getPeerCertificate) return undefined;
  const subject = socket.getPeerCertificate().subject as { CN?: string | string[]; O?: string | string[] } | undefined;
  const username = [subject?.CN ?? []].flat()[0];
  if (!username) return undefined;
  return { username, groups: [...[subject?.O ?? []].flat(), 'system:authenticated'] };
}
