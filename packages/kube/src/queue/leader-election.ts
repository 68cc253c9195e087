// Leader election by a Lease, with client-go's rules: whoever renews holds it; others wait until they have seen the same
// renewal for a whole lease duration by their own clock (clocks of machines are never compared).

import { type Clock, delay, type Logger, messageOf, silentLogger, systemClock } from '@lateen/base';
import type { KubeClient } from '../client/kube-client.ts';
import { isNotFound } from '../client/kube-error.ts';
import type { Lease, ResourceRef } from '../types/index.ts';

export type LeaderElectorOptions = {
  client: KubeClient;
  namespace: string;
  name: string;
  /** Unique per process, e.g. the pod's name. */
  identity: string;
  onStartedLeading?: () => void;
  /** The lease was lost or given up: stop what only a leader may do, at once. */
  onStoppedLeading?: () => void;
  /** Default 15 s. */
  leaseDurationMs?: number;
  /** Leading ends when no renewal succeeded for so long; below the lease duration. Default 10 s. */
  renewDeadlineMs?: number;
  /** Default 2 s. */
  retryPeriodMs?: number;
  clock?: Clock;
  logger?: Logger;
};

export type LeaderElector = {
  readonly isLeader: boolean;
  /** Gives the lease up, if held, so that another can take it at once. */
  close(): Promise<void>;
};

export const LEASES: ResourceRef = { group: 'coordination.k8s.io', version: 'v1', resource: 'leases', namespaced: true };

/** Competes from now on until closed. */
export function createLeaderElector(options: LeaderElectorOptions): LeaderElector {
  const { client, namespace, name, identity } = options;
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? silentLogger;
  const leaseDurationMs = options.leaseDurationMs ?? 15_000;
  const renewDeadlineMs = options.renewDeadlineMs ?? 10_000;
  const retryPeriodMs = options.retryPeriodMs ?? 2_000;
  const stop = new AbortController();
  let isLeader = false;
  let renewedAtMs = 0;
  // The last renewal of somebody else, and when we first saw it.
  let observed = { record: '', atMs: 0 };

  const timestamp = (): string => new Date(clock.now()).toISOString().replace(/Z$/, '000Z');

  /** One attempt to take or renew; resolves to whether the lease is ours. */
  async function tryAcquire(): Promise<boolean> {
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(renewDeadlineMs)]);
    const lease = await client.get<Lease>(LEASES, { namespace, name }, { signal }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    const spec = lease?.spec ?? {};
    const isOurs = spec.holderIdentity === identity;
    if (lease && spec.holderIdentity && !isOurs && !hasExpired(spec.holderIdentity, spec.renewTime)) return false;
    const next: Lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: lease?.metadata ?? { name, namespace },
      spec: {
        ...spec,
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000),
        renewTime: timestamp(),
        ...(isOurs && spec.acquireTime ? {} : { acquireTime: timestamp() }),
        leaseTransitions: (spec.leaseTransitions ?? 0) + (lease && !isOurs ? 1 : 0),
      },
    };
    await (lease ? client.update(LEASES, next, { signal }) : client.create(LEASES, next, { signal }));
    return true;
  }

  function hasExpired(holder: string, renewTime: string | undefined): boolean {
    const record = `${holder} ${renewTime ?? ''}`;
    if (observed.record !== record) observed = { record, atMs: clock.monotonicMs() };
    return clock.monotonicMs() - observed.atMs >= leaseDurationMs;
  }

  function setLeader(next: boolean): void {
    if (isLeader === next) return;
    isLeader = next;
    logger.info(next ? 'became leader' : 'stopped leading', { lease: `${namespace}/${name}`, identity });
    if (next) options.onStartedLeading?.();
    else options.onStoppedLeading?.();
  }

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        const attemptedAtMs = clock.monotonicMs();
        const won = await tryAcquire();
        if (stop.signal.aborted) return;
        if (won) renewedAtMs = attemptedAtMs;
        setLeader(won);
      } catch (error) {
        if (stop.signal.aborted) return;
        logger.debug('cannot renew the lease', { lease: `${namespace}/${name}`, error: messageOf(error) });
        if (isLeader && clock.monotonicMs() - renewedAtMs >= renewDeadlineMs) setLeader(false);
      }
      await delay(clock, retryPeriodMs, stop.signal).catch(() => {});
    }
  }

  async function release(): Promise<void> {
    const lease = await client.get<Lease>(LEASES, { namespace, name });
    if (lease.spec?.holderIdentity !== identity) return;
    await client.update(LEASES, { ...lease, spec: { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: timestamp() } });
  }

  const ended = run();
  return {
    get isLeader() {
      return isLeader;
    },
    async close() {
      const wasLeader = isLeader;
      stop.abort(new Error('closed'));
      await ended;
      setLeader(false);
      // Without it the others wait for the lease to run out, which is safe too.
      if (wasLeader) await release().catch((error: unknown) => logger.debug('cannot release the lease', { error: messageOf(error) }));
    },
  };
}
