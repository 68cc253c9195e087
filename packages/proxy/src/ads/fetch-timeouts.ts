// Clusters and listeners wait for their endpoints and routes, but not for ever: after initial_fetch_timeout (Envoy: 15 s; 0 = for
// ever) they come into force without.

import { anyIs, anyUnpack } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@lateen/base';
import { type ConfigSource, HttpConnectionManagerSchema, type Listener } from '@lateen/xds/messages/proxy';
import { durationMsOr } from '../runtime/compile/values.ts';
import type { LiveConfig } from './live-config.ts';

const DEFAULT_TIMEOUT_MS = 15_000;

/** Call `follow` after each change of the configuration. */
export function createFetchTimeouts(config: LiveConfig, clock: Clock): { follow(): void; close(): void } {
  const timers = new Map<string, { cancel(): void }>();
  const awaitFetch = (kind: 'endpoints' | 'route', name: string, source: ConfigSource | undefined) => {
    const key = `${kind} ${name}`;
    const timeoutMs = durationMsOr(source?.initialFetchTimeout, DEFAULT_TIMEOUT_MS);
    if (timeoutMs <= 0 || timers.has(key)) return;
    const giveUp = () => {
      timers.delete(key);
      config.giveUp(kind, name);
    };
    timers.set(key, clock.after(timeoutMs, giveUp, { background: true }));
  };
  return {
    follow() {
      for (const { entry, state } of config.entries('cluster')) {
        if (state !== 'warming') continue;
        const eds = entry.message.edsClusterConfig;
        if (eds) awaitFetch('endpoints', eds.serviceName || entry.name, eds.edsConfig);
      }
      for (const { entry, state } of config.entries('listener')) {
        if (state === 'warming') for (const rds of rdsOf(entry.message)) awaitFetch('route', rds.routeConfigName, rds.configSource);
      }
    },
    close() {
      for (const timer of timers.values()) timer.cancel();
      timers.clear();
    },
  };
}

function rdsOf(listener: Listener) {
  const chains = listener.defaultFilterChain ? [...listener.filterChains, listener.defaultFilterChain] : listener.filterChains;
  return chains.flatMap(({ filters }) =>
    filters.flatMap(({ configType }) => {
      const any = configType.case === 'typedConfig' ? configType.value : undefined;
      const specifier =
        any && anyIs(any, HttpConnectionManagerSchema) ? anyUnpack(any, HttpConnectionManagerSchema)?.routeSpecifier : undefined;
      return specifier?.case === 'rds' ? [specifier.value] : [];
    }),
  );
}
