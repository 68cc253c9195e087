// Clusters and listeners wait for their endpoints and routes, but not for ever: after initial_fetch_timeout (Envoy: 15 s; 0 = for
// ever) they come into force without.

import type { Clock, Timer } from '@lateen/base';
import type { LiveConfig } from './live-config.ts';

export type FetchTimeoutsOptions = {
  config: Pick<LiveConfig, 'references' | 'isWaitedFor' | 'giveUp'>;
  clock: Clock;
  /** A resource did not come in time. */
  onTimeout?: (kind: 'endpoints' | 'route', key: string) => void;
};

/** Call `follow` after each change of the configuration. */
export function createFetchTimeouts({ config, clock, onTimeout }: FetchTimeoutsOptions): { follow(): void; close(): void } {
  const timers = new Map<string, Timer>();
  const followKind = (kind: 'endpoints' | 'route') => {
    for (const { key, source } of config.references(kind).values()) {
      const id = `${kind} ${key}`;
      // A file answers at once.
      if (source.kind === 'path' || source.initialFetchTimeoutMs <= 0 || timers.has(id) || !config.isWaitedFor(kind, key)) continue;
      const giveUp = () => {
        timers.delete(id);
        if (!config.isWaitedFor(kind, key)) return;
        onTimeout?.(kind, key);
        config.giveUp(kind, key);
      };
      timers.set(id, clock.after(source.initialFetchTimeoutMs, giveUp, { background: true }));
    }
  };
  return {
    follow() {
      followKind('endpoints');
      followKind('route');
    },
    close() {
      for (const timer of timers.values()) timer.cancel();
      timers.clear();
    },
  };
}
