// Sessions that servers handed out, by whom and under which name; each is taken by one handshake at a time.

import type { PeerChain } from './session.ts';

/** Whom the full handshake was made with: the leaf of its chain, and the verdict on all of it. */
export type ResumablePeer = PeerChain;
/** Only of peers that were let in. */
export type ResumableSession = ResumablePeer & { readonly ticket: Buffer };

export type SessionStore = {
  take(key: string): ResumableSession | undefined;
  put(key: string, session: ResumableSession): void;
};

const MAX_KEYS = 4096;

export function createSessionStore(maxPerKey: number): SessionStore {
  const byKey = new Map<string, ResumableSession[]>();
  return {
    take(key) {
      const sessions = byKey.get(key);
      const session = sessions?.pop();
      if (sessions?.length === 0) byKey.delete(key);
      return session;
    },
    put(key, session) {
      const sessions = byKey.get(key) ?? [];
      // Of many keys the ones longest without a new session go first.
      byKey.delete(key);
      sessions.push(session);
      if (sessions.length > maxPerKey) sessions.shift();
      byKey.set(key, sessions);
      if (byKey.size > MAX_KEYS) byKey.delete(byKey.keys().next().value as string);
    },
  };
}
