// Endpoints by name: resolves the hosts of STRICT_DNS and LOGICAL_DNS clusters again and again; a failure keeps the last good
// answer.

import { parseIp, type Timer } from '@lateen/base';
import type { ClusterDiscovery, EndpointRuntime, EndpointsRuntime } from '../runtime/model.ts';
import type { Resolver, UpstreamContext } from './cluster-state.ts';

type DnsDiscovery = Extract<ClusterDiscovery, { kind: 'strict_dns' | 'logical_dns' }>;

const MIN_REFRESH_MS = 1000;
const MAX_ADDRESSES = 500;

/** Starts resolving; `onEndpoints` gets each new answer. Close it to stop. */
export function startDnsDiscovery(
  discovery: DnsDiscovery,
  context: UpstreamContext,
  onEndpoints: (endpoints: EndpointsRuntime) => void,
): { close(): void } {
  const answers = new Map<string, readonly string[]>();
  let timer: Timer | undefined;
  let closed = false;
  const names = new Set(discovery.endpoints.localities.flatMap((locality) => locality.endpoints.map((endpoint) => endpoint.host)));
  const resolveAll = async () => {
    let changed = false;
    let refreshMs = discovery.refreshMs;
    await Promise.all(
      [...names].map(async (name) => {
        const answer = await resolveName(context.resolve, name, discovery).catch(() => undefined);
        if (!answer) return;
        if (discovery.respectTtl && answer.ttlMs > 0) refreshMs = Math.min(refreshMs, answer.ttlMs);
        const sorted = discovery.kind === 'strict_dns' ? [...answer.addresses].sort() : answer.addresses.slice(0, 1);
        if (answers.get(name)?.join() === sorted.join()) return;
        answers.set(name, sorted);
        changed = true;
      }),
    );
    if (closed) return;
    if (changed) onEndpoints(expand(discovery, answers));
    timer = context.clock.after(Math.max(MIN_REFRESH_MS, refreshMs), () => void resolveAll(), { background: true });
  };
  void resolveAll();
  return {
    close() {
      closed = true;
      timer?.cancel();
    },
  };
}

async function resolveName(resolve: Resolver, name: string, discovery: DnsDiscovery): ReturnType<Resolver> {
  if (parseIp(name)) return { addresses: [name], ttlMs: 0 };
  const cut = (answer: Awaited<ReturnType<Resolver>>) => ({ ...answer, addresses: answer.addresses.slice(0, MAX_ADDRESSES) });
  switch (discovery.family) {
    case 'v4_only':
      return cut(await resolve(name, 'v4'));
    case 'v6_only':
      return cut(await resolve(name, 'v6'));
    case 'v4_preferred':
      return cut(await resolve(name, 'v4').catch(() => resolve(name, 'v6')));
    case 'all':
      return cut(await resolve(name, 'any'));
    default:
      return cut(await resolve(name, 'v6').catch(() => resolve(name, 'v4')));
  }
}

function expand(discovery: DnsDiscovery, answers: ReadonlyMap<string, readonly string[]>): EndpointsRuntime {
  const { endpoints } = discovery;
  return {
    ...endpoints,
    localities: endpoints.localities.map((locality) => ({
      ...locality,
      endpoints: locality.endpoints.flatMap((endpoint) =>
        (answers.get(endpoint.host) ?? []).map(
          (host): EndpointRuntime => ({ ...endpoint, host, hostname: endpoint.hostname || endpoint.host }),
        ),
      ),
    })),
  };
}
