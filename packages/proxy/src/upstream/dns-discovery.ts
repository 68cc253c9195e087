// Endpoints by name: resolves the hosts of STRICT_DNS and LOGICAL_DNS clusters again and again, each name on its own time. A
// failure, an empty answer or none at all keeps the last good one.

import { parseIp, type Timer } from '@lateen/base';
import type { ClusterDiscovery, EndpointRuntime, EndpointsRuntime } from '../runtime/model.ts';
import type { Resolver, UpstreamContext } from './cluster-state.ts';
import type { ClusterStats } from './cluster-stats.ts';

type DnsDiscovery = Extract<ClusterDiscovery, { kind: 'strict_dns' | 'logical_dns' }>;

/** Who uses the endpoints that were found. */
export type DnsUser = { readonly stats: ClusterStats; setEndpoints(endpoints: EndpointsRuntime): void };

const MIN_REFRESH_MS = 10;
const MIN_TTL_MS = 1000;
const MAX_ADDRESSES = 500;
/** As long as c-ares tries by default: four times five seconds. */
const ANSWER_TIMEOUT_MS = 20_000;

/** Starts resolving. Close it to stop. `onAsked` is called each time that a name was asked for, whatever came of it. */
export function startDnsDiscovery(
  discovery: DnsDiscovery,
  context: UpstreamContext,
  user: DnsUser,
  onAsked: () => void = () => {},
): { close(): void } {
  const answers = new Map<string, readonly string[]>();
  const names = new Set(discovery.endpoints.localities.flatMap((locality) => locality.endpoints.map((endpoint) => endpoint.host)));
  const onAnswer = (name: string, addresses: readonly string[]) => {
    // One host of LOGICAL_DNS may be reached at all of its addresses.
    const isWhole = discovery.kind === 'strict_dns' || discovery.family === 'all';
    const chosen = discovery.kind === 'strict_dns' ? [...new Set(addresses)].sort() : isWhole ? [...addresses] : addresses.slice(0, 1);
    if (answers.get(name)?.join() === chosen.join()) {
      user.stats.update_no_rebuild++;
      return;
    }
    answers.set(name, chosen);
    user.setEndpoints(expand(discovery, answers));
  };
  const targets = [...names].map((name) => followName(name, discovery, { context, stats: user.stats, onAnswer, onAsked }));
  return {
    close() {
      for (const target of targets) target.close();
    },
  };
}

type Following = {
  context: UpstreamContext;
  stats: ClusterStats;
  onAnswer: (name: string, addresses: readonly string[]) => void;
  onAsked: () => void;
};

function followName(name: string, discovery: DnsDiscovery, { context, stats, onAnswer, onAsked }: Following): { close(): void } {
  const { clock, random, logger } = context;
  let timer: Timer | undefined;
  let failures = 0;
  let closed = false;
  const next = (delayMs: number) => {
    const jitterMs = discovery.jitterMs > 0 ? random() * discovery.jitterMs : 0;
    timer = clock.after(delayMs + jitterMs, () => void resolve(), { background: true });
  };
  const failed = (why: unknown) => {
    stats.update_failure++;
    if (failures === 0) logger.warn('a name cannot be resolved; the last addresses stay in use', { name, why: String(why) });
    const { baseMs, maxMs } = discovery.failureRefresh;
    // Envoy's back-off: a random share of an interval that doubles; the first is the base itself.
    const ceilingMs = Math.min(maxMs, baseMs * 2 ** Math.min(failures, 20));
    failures++;
    next(Math.max(MIN_REFRESH_MS, ceilingMs === baseMs ? baseMs : baseMs + random() * (ceilingMs - baseMs)));
  };
  /** A resolver that never answers must not stop the refreshes. */
  const withinTime = <T>(answer: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const deadline = clock.after(ANSWER_TIMEOUT_MS, () => reject(new Error('no answer in time')), { background: true });
      timer = deadline;
      answer.then(resolve, reject).finally(() => deadline.cancel());
    });
  const resolve = async () => {
    await ask();
    if (!closed) onAsked();
  };
  const ask = async () => {
    stats.update_attempt++;
    try {
      const { addresses, ttlMs } = await withinTime(resolveName(context.resolve, name, discovery));
      if (closed) return;
      if (addresses.length === 0) {
        stats.update_empty++;
        return failed('the answer is empty');
      }
      failures = 0;
      stats.update_success++;
      onAnswer(name, addresses.slice(0, MAX_ADDRESSES));
      next(discovery.respectTtl && ttlMs > 0 ? Math.max(MIN_TTL_MS, ttlMs) : Math.max(MIN_REFRESH_MS, discovery.refreshMs));
    } catch (error) {
      if (!closed) failed(error);
    }
  };
  void resolve();
  return {
    close() {
      closed = true;
      timer?.cancel();
    },
  };
}

async function resolveName(ask: Resolver, name: string, discovery: DnsDiscovery): ReturnType<Resolver> {
  if (parseIp(name)) return { addresses: [name], ttlMs: 0 };
  const options = { servers: discovery.resolvers, wantsTtl: discovery.respectTtl };
  const resolve: Resolver = (asked, family) => ask(asked, family, options);
  switch (discovery.family) {
    case 'v4_only':
      return resolve(name, 'v4');
    case 'v6_only':
      return resolve(name, 'v6');
    case 'v4_preferred':
      return resolve(name, 'v4').catch(() => resolve(name, 'v6'));
    case 'all':
      return resolve(name, 'any');
    default:
      return resolve(name, 'v6').catch(() => resolve(name, 'v4'));
  }
}

function expand(discovery: DnsDiscovery, answers: ReadonlyMap<string, readonly string[]>): EndpointsRuntime {
  const { endpoints } = discovery;
  return {
    ...endpoints,
    localities: endpoints.localities.map((locality) => ({
      ...locality,
      endpoints: locality.endpoints.flatMap((endpoint): EndpointRuntime[] => {
        const hostname = endpoint.hostname || endpoint.host;
        const found = answers.get(endpoint.host) ?? [];
        if (discovery.kind === 'strict_dns') return found.map((host) => ({ ...endpoint, host, hostname }));
        const [host, ...additionalAddresses] = found;
        if (host === undefined) return [];
        return [{ ...endpoint, host, hostname, ...(additionalAddresses.length > 0 && { additionalAddresses }) }];
      }),
    })),
  };
}
