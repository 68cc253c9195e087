// Names to addresses: by the system as every other program does it, or by the name servers that a configuration asks for.

import { lookup, Resolver as NameServers } from 'node:dns/promises';
import type { Resolver, ResolverOptions } from './cluster-state.ts';

/** `servers`: used where a cluster names none itself; empty: the system's. */
export function createResolver(servers: readonly string[] = []): Resolver {
  return (name, family, { servers: own = [], wantsTtl = false } = {}) => {
    const asked = own.length > 0 ? own : servers;
    return asked.length > 0 ? askServers(name, family, asked) : askSystem(name, family, wantsTtl);
  };
}

type Family = Parameters<Resolver>[1];
type Answer = Awaited<ReturnType<Resolver>>;

async function askSystem(name: string, family: Family, wantsTtl: NonNullable<ResolverOptions['wantsTtl']>): Promise<Answer> {
  const found = await lookup(name, { all: true, family: family === 'v4' ? 4 : family === 'v6' ? 6 : 0 });
  const addresses = found.map((one) => one.address);
  if (!wantsTtl) return { addresses, ttlMs: 0 };
  // The system does not tell; the name may be in no zone at all (a hosts file).
  const told = await askServers(name, family, []).catch(() => undefined);
  return { addresses, ttlMs: told?.ttlMs ?? 0 };
}

async function askServers(name: string, family: Family, servers: readonly string[]): Promise<Answer> {
  const resolver = new NameServers();
  if (servers.length > 0) resolver.setServers(servers);
  const questions = [
    ...(family === 'v6' ? [] : [resolver.resolve4(name, { ttl: true })]),
    ...(family === 'v4' ? [] : [resolver.resolve6(name, { ttl: true })]),
  ];
  const answers = await Promise.allSettled(questions);
  const records = answers.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  const failure = answers.find((one) => one.status === 'rejected');
  if (records.length === 0 && failure) throw failure.reason;
  return { addresses: records.map(({ address }) => address), ttlMs: Math.min(...records.map(({ ttl }) => ttl)) * 1000 };
}
