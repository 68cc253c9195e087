// The network filters that judge a connection as it begins, before a byte of it is served.

import type { ProxyContext } from '../http/context.ts';
import type { ResponseFlag } from '../http/request-record.ts';
import type { ConnectionInfo } from '../http/request-view.ts';
import { compileFormat } from '../observe/format.ts';
import type { FilterChainRuntime, NetworkFilterRuntime, RuntimeFlag, TokenBucketRuntime } from '../runtime/model.ts';
import { TCP_PROXY_CLUSTER } from '../tcp/tcp-connection.ts';
import { TcpRecord } from '../tcp/tcp-record.ts';
import type { Counters } from './counters.ts';
import { TokenBucketState } from './token-bucket.ts';

/** What becomes of a new connection. */
export type Admission =
  | { readonly kind: 'admitted'; readonly release: () => void }
  | { readonly kind: 'closed'; readonly delayMs: number; readonly flag?: ResponseFlag };

export type ConnectionFilters = {
  /** Counts the connection in; `release` must follow when it ends. */
  admit(): Admission;
  /** The connection with what filters say of it. */
  describe(info: ConnectionInfo): ConnectionInfo;
};

const nothing = () => {};
const ADMITTED: Admission = { kind: 'admitted', release: nothing };

export type SharedBuckets = Map<string, TokenBucketState>;

/** Once per filter chain: limits count over its connections. */
export function createConnectionFilters(chain: FilterChainRuntime, services: Services): ConnectionFilters {
  const { proxy } = services;
  const gates = chain.networkFilters.flatMap((filter) => createGate(filter, services) ?? []);
  const describers = chain.networkFilters.flatMap((filter) => createDescriber(filter, proxy) ?? []);
  return {
    admit() {
      if (gates.length === 0) return ADMITTED;
      const releases: (() => void)[] = [];
      for (const gate of gates) {
        const admission = gate();
        if (admission.kind === 'admitted') releases.push(admission.release);
        else {
          for (const release of releases) release();
          return admission;
        }
      }
      const release = () => {
        for (const each of releases) each();
      };
      return { kind: 'admitted', release };
    },
    describe: (info) => describers.reduce((described, describe) => describe(described), info),
  };
}

type Services = {
  readonly proxy: ProxyContext;
  readonly counters: Counters;
  readonly buckets: SharedBuckets;
};

/** What the flag says now; a filter without one is on. */
export const isOn = (flag: RuntimeFlag | undefined, { runtimeKeys }: ProxyContext): boolean =>
  !flag || (runtimeKeys?.flag(flag.key) ?? flag.isOnByDefault);

function createGate(filter: NetworkFilterRuntime, { proxy, counters, buckets }: Services): (() => Admission) | undefined {
  if (filter.kind === 'local_rate_limit') {
    const { bucket, shareKey, statPrefix } = filter;
    const state = sharedBucket(buckets, bucket, shareKey, proxy);
    return () => {
      if (!isOn(filter.enabled, proxy)) return ADMITTED;
      if (state.take(proxy.clock.monotonicMs())) return ADMITTED;
      counters.count(`local_rate_limit.${statPrefix}.rate_limited`);
      // Envoy's flag for it, though nothing was retried.
      return { kind: 'closed', delayMs: 0, flag: 'URX' };
    };
  }
  if (filter.kind === 'connection_limit') {
    const { maxConnections, delayMs, statPrefix } = filter;
    let active = 0;
    const release = () => {
      active--;
      counters.count(`connection_limit.${statPrefix}.active_connections`, -1);
    };
    return () => {
      if (!isOn(filter.enabled, proxy)) return ADMITTED;
      if (active >= maxConnections) {
        counters.count(`connection_limit.${statPrefix}.limited_connections`);
        return { kind: 'closed', delayMs };
      }
      active++;
      counters.count(`connection_limit.${statPrefix}.active_connections`);
      return { kind: 'admitted', release };
    };
  }
  return undefined;
}

function sharedBucket(buckets: SharedBuckets, bucket: TokenBucketRuntime, shareKey: string, { clock }: ProxyContext): TokenBucketState {
  if (shareKey === '') return new TokenBucketState(bucket, clock.monotonicMs());
  const key = `${shareKey} ${bucket.maxTokens} ${bucket.tokensPerFill} ${bucket.fillIntervalMs}`;
  let state = buckets.get(key);
  if (!state) {
    state = new TokenBucketState(bucket, clock.monotonicMs());
    buckets.set(key, state);
  }
  return state;
}

function createDescriber(filter: NetworkFilterRuntime, { clock }: ProxyContext): ((info: ConnectionInfo) => ConnectionInfo) | undefined {
  if (filter.kind === 'sni_cluster') {
    return (info) => (info.requestedServerName === '' ? info : withState(info, TCP_PROXY_CLUSTER, info.requestedServerName));
  }
  if (filter.kind === 'set_filter_state') {
    const values = filter.values.map(({ key, format, skipIfEmpty }) => ({ key, render: compileFormat(format), skipIfEmpty }));
    return (info) =>
      values.reduce((described, { key, render, skipIfEmpty }) => {
        const value = render(new TcpRecord(described, clock));
        return skipIfEmpty && value === '' ? described : withState(described, key, value);
      }, info);
  }
  return undefined;
}

const withState = (info: ConnectionInfo, key: string, value: string): ConnectionInfo => ({
  ...info,
  filterState: new Map([...(info.filterState ?? []), [key, value]]),
});
