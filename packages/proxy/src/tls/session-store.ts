// Sessions that servers handed out, by whom and under which name; each is taken by one handshake at a time.

export type SessionStore = {
  take(key: string): Buffer | undefined;
  put(key: string, session: Buffer): void;
};

const MAX_KEYS = 4096;

export function createSessionStore(maxPerKey: number): SessionStore {
  const byKey = new Map<string, Buffer[]>();
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
