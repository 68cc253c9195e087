// All listeners of a proxy: binds, replaces in place, hands sockets over, retires.

import { type Clock, CodedError, messageOf, type SocketAddress, type Transport, type TransportListener } from '@lateen/base';
import type { ListenerAddress, ListenerRuntime } from '../runtime/model.ts';
import { addressText } from '../upstream/host.ts';
import { ActiveListener, type ListenerServices } from './active-listener.ts';
import { type ListenerSetStats, newListenerSetStats } from './listener-stats.ts';

export type ListenerSetOptions = {
  readonly transport: Transport;
  readonly clock: Clock;
  /** How long connections of what is dropped may take to end. */
  readonly drainMs: number;
  readonly services: Omit<ListenerServices, 'listenerFor'>;
};

export class ListenerSet {
  readonly stats: ListenerSetStats = newListenerSetStats();
  private readonly options: ListenerSetOptions;
  private readonly services: ListenerServices;
  private readonly listeners = new Map<string, ActiveListener>();
  /** Removed or moved, with connections left. */
  private readonly retired = new Set<ActiveListener>();
  private failed = new Map<string, string>();
  private isDraining: ((listener: ListenerRuntime) => boolean) | undefined;
  private stopped: ((listener: ListenerRuntime) => boolean) | undefined;

  constructor(options: ListenerSetOptions) {
    this.options = options;
    this.services = { ...options.services, listenerFor: (address) => findListener(this.listeners, address) };
  }

  get(name: string): ActiveListener | undefined {
    return this.listeners.get(name);
  }

  list(): readonly ActiveListener[] {
    return [...this.listeners.values()];
  }

  /** Those that could not be bound at the last `apply`, and why; their predecessors serve on. */
  get failures(): ReadonlyMap<string, string> {
    return this.failed;
  }

  get draining(): { readonly listeners: number; readonly chains: number } {
    const chains = this.list().reduce((sum, listener) => sum + listener.drainingChainCount, 0);
    return { listeners: [...this.retired].filter((listener) => listener.connectionCount > 0).length, chains };
  }

  get connectionCount(): number {
    return [...this.listeners.values(), ...this.retired].reduce((sum, listener) => sum + listener.connectionCount, 0);
  }

  /** Makes exactly these serve. Gives the errors of those that could not be bound; they are tried again at the next call. */
  async apply(next: ReadonlyMap<string, ListenerRuntime>): Promise<unknown[]> {
    for (const [name, listener] of [...this.listeners]) {
      if (next.has(name)) continue;
      this.listeners.delete(name);
      this.stats.listener_removed++;
      await listener.stopAccepting();
      this.retire(listener);
    }
    const all = [...next.values()];
    const duplicates = duplicatesAmong(all);
    let errors = await this.replaceAll(all, duplicates);
    // What a failed one wants may be held by its own predecessor or by another that is to move: all of these let go, and try again.
    const failed = all.filter(({ name }) => errors.has(name));
    const released = failed.flatMap(({ name }) => this.listeners.get(name) ?? []).filter((old) => holdsPortOf(old, failed));
    if (released.length > 0) {
      await Promise.all(released.map((old) => old.stopAccepting()));
      errors = await this.replaceAll(failed, duplicates);
      for (const old of released) if (errors.has(old.name)) old.sockets = await this.bind(old.runtime);
    }
    this.failed = new Map([...errors].map(([name, error]) => [name, messageOf(error)]));
    this.stats.listener_create_failure += errors.size;
    return [...errors.values()];
  }

  private async replaceAll(listeners: readonly ListenerRuntime[], duplicates: ReadonlyMap<string, string>): Promise<Map<string, unknown>> {
    const errors = new Map<string, unknown>();
    for (const listener of listeners) {
      const why = duplicates.get(listener.name);
      if (why !== undefined) {
        errors.set(listener.name, new CodedError({ code: 'LAT6002', what: `listener ${listener.name} has a duplicate address`, why }));
        continue;
      }
      if (this.listeners.get(listener.name)?.runtime === listener) continue;
      await this.replace(listener).catch((error: unknown) => errors.set(listener.name, error));
    }
    return errors;
  }

  private async replace(next: ListenerRuntime): Promise<void> {
    const old = this.listeners.get(next.name);
    if (old && sameAddresses(old.runtime, next)) {
      old.update(next, this.options.drainMs);
      this.stats.listener_modified++;
      this.stats.listener_in_place_updated++;
      return;
    }
    const fresh = new ActiveListener(next, this.services);
    if (next.bindToPort && !this.stopped?.(next)) fresh.sockets = await this.bind(next);
    this.listeners.set(next.name, fresh);
    if (this.isDraining?.(next)) fresh.startDrain();
    this.stats.listener_create_success++;
    if (!old) {
      this.stats.listener_added++;
      return;
    }
    this.stats.listener_modified++;
    await old.stopAccepting();
    this.retire(old);
  }

  private async bind({ addresses, name, backlog, reusePort }: ListenerRuntime): Promise<readonly TransportListener[]> {
    const bound: TransportListener[] = [];
    const { transport } = this.options;
    try {
      for (const { isIpv6Only: ipv6Only, ...address } of addresses) {
        const options = { ...address, backlog, reusePort, ipv6Only };
        bound.push(await transport.listen(options, (socket) => this.listeners.get(name)?.accept(socket)));
      }
      return bound;
    } catch (error) {
      await Promise.all(bound.map((one) => one.close()));
      throw new CodedError({ code: 'LAT6002', what: `listener ${name} cannot be bound`, why: messageOf(error), cause: error });
    }
  }

  private retire(listener: ActiveListener): void {
    for (const old of this.retired) if (old.connectionCount === 0) this.retired.delete(old);
    this.retired.add(listener);
    listener.startDrain();
    const end = () => {
      listener.destroyConnections('all');
      this.retired.delete(listener);
    };
    this.options.clock.after(this.options.drainMs, end, { background: true });
  }

  /** From now on answers of these listeners end their connections; new connections are still served. */
  startDrain(which: (listener: ListenerRuntime) => boolean): void {
    this.isDraining = which;
    for (const listener of this.listeners.values()) if (which(listener.runtime)) listener.startDrain();
  }

  /** Takes no more connections; those that there are go on. */
  async stop(which: (listener: ListenerRuntime) => boolean): Promise<void> {
    this.stopped = which;
    const chosen = this.list().filter((listener) => which(listener.runtime) && listener.sockets.length > 0);
    this.stats.listener_stopped += chosen.length;
    await Promise.all(chosen.map((listener) => listener.stopAccepting()));
  }

  closeIdle(shorten: (idleTimeoutMs: number) => number): void {
    for (const listener of [...this.listeners.values(), ...this.retired]) listener.closeIdle(shorten);
  }

  /** Resets the connections that hold at least `fromBytes` in memory, the biggest first. */
  resetBiggest(fromBytes: number, limit: number): number {
    const big = [...this.listeners.values(), ...this.retired]
      .filter(({ runtime }) => !runtime.bypassOverloadManager)
      .flatMap((listener) => [...listener.connections()])
      .filter((connection) => connection.queuedBytes >= fromBytes)
      .sort((a, b) => b.queuedBytes - a.queuedBytes)
      .slice(0, limit);
    for (const connection of big) connection.reset();
    return big.length;
  }

  async close(): Promise<void> {
    for (const listener of [...this.listeners.values(), ...this.retired]) {
      await listener.stopAccepting();
      listener.destroyConnections('all');
    }
  }
}

/** Listeners with an address of an earlier one, by name, and whose it is: with shared ports the kernel would hand connections to either. */
export function duplicatesAmong(listeners: readonly ListenerRuntime[]): ReadonlyMap<string, string> {
  const owners = new Map<string, string>();
  const duplicates = new Map<string, string>();
  for (const { name, addresses } of listeners) {
    for (const address of addresses.filter(isFixed)) {
      const key = addressKey(address);
      const owner = owners.get(key);
      if (owner === undefined) owners.set(key, name);
      else duplicates.set(name, `${key} is listener ${owner}'s`);
    }
  }
  return duplicates;
}

const isFixed = ({ host, port }: ListenerAddress): boolean => port !== 0 || host.startsWith('/');
const addressKey = ({ host, port }: ListenerAddress): string => (host.startsWith('/') ? host : addressText(host, port));

const holdsPortOf = (old: ActiveListener, wanting: readonly ListenerRuntime[]): boolean =>
  old.sockets.some(({ address }) => wanting.some(({ addresses }) => addresses.some(({ port }) => port === address.port)));

function sameAddresses(a: ListenerRuntime, b: ListenerRuntime): boolean {
  const key = ({ bindToPort, reusePort, addresses }: ListenerRuntime) =>
    `${bindToPort} ${reusePort} ${addresses.map(({ host, port, isIpv6Only }) => `${host}:${port} ${isIpv6Only}`).join()}`;
  return key(a) === key(b);
}

/** The most specific listener: the same address, else any address with the same port. */
function findListener(listeners: ReadonlyMap<string, ActiveListener>, { host, port }: SocketAddress): ActiveListener | undefined {
  let wildcard: ActiveListener | undefined;
  for (const listener of listeners.values()) {
    for (const address of listener.runtime.addresses) {
      if (address.port !== port) continue;
      if (address.host === host) return listener;
      if (address.host === '0.0.0.0' || address.host === '::') wildcard = listener;
    }
  }
  return wildcard;
}
