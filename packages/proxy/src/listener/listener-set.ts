// All listeners of a proxy: binds, replaces in place, hands sockets over, retires.

import { type Clock, CodedError, messageOf, type SocketAddress, type Transport, type TransportListener } from '@lateen/base';
import type { ListenerRuntime } from '../runtime/model.ts';
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
    const errors = new Map<string, unknown>();
    // A port may become free only when another listener has moved: what fails is tried once more after all the others.
    for (const round of [1, 2]) {
      for (const listener of next.values()) {
        if (round === 2 && !errors.delete(listener.name)) continue;
        if (this.listeners.get(listener.name)?.runtime === listener) continue;
        await this.replace(listener).catch((error: unknown) => errors.set(listener.name, error));
      }
      if (errors.size === 0) break;
    }
    this.failed = new Map([...errors].map(([name, error]) => [name, messageOf(error)]));
    this.stats.listener_create_failure += errors.size;
    return [...errors.values()];
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
    if (next.bindToPort && !this.stopped?.(next)) fresh.sockets = await this.bindBeside(next, old);
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

  /** Binds while `old` still serves; where both cannot be, `old` lets go first, and is bound again should that not help. */
  private async bindBeside(next: ListenerRuntime, old: ActiveListener | undefined): Promise<readonly TransportListener[]> {
    try {
      return await this.bind(next);
    } catch (error) {
      if (!old || old.sockets.length === 0) throw error;
      await old.stopAccepting();
      try {
        return await this.bind(next);
      } catch (second) {
        old.sockets = await this.bind(old.runtime);
        throw second;
      }
    }
  }

  private async bind({ addresses, name, backlog, reusePort }: ListenerRuntime): Promise<readonly TransportListener[]> {
    const bound: TransportListener[] = [];
    const { transport } = this.options;
    try {
      for (const { host, port } of addresses) {
        bound.push(await transport.listen({ host, port, backlog, reusePort }, (socket) => this.listeners.get(name)?.accept(socket)));
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

function sameAddresses(a: ListenerRuntime, b: ListenerRuntime): boolean {
  const key = ({ bindToPort, reusePort, addresses }: ListenerRuntime) =>
    `${bindToPort} ${reusePort} ${addresses.map(({ host, port }) => `${host}:${port}`).join()}`;
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
