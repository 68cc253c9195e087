// Gives the pod network its table whenever services, endpoints or pods change, and writes what it answers for LoadBalancer
// services into their status.

import { isIP } from 'node:net';
import { type Closable, jsonEqual, messageOf, type Timer } from '@lateen/base';
import { isConflict, isNotFound } from '@lateen/kube';
import type { LoadBalancerIngress, Service } from '@lateen/kube/types';
import type { ClusterNetwork, LoadBalancerAddress } from '../contracts.ts';
import type { EventRecorder } from '../node/event-recorder.ts';
import { SERVICES } from '../node/kube-resources.ts';
import type { ControllerContext } from './controller-context.ts';
import { serviceTable } from './service-table.ts';

/** Changes within this time are one table. */
const DEBOUNCE_MS = 20;
const RETRY_MS = 1000;

export function startServiceNetworkController(context: ControllerContext, network: ClusterNetwork): Closable {
  const { clock, logger, informers } = context;
  const events = context.events('service-controller');
  let timer: Timer | undefined;
  let running: Promise<void> | undefined;
  let isDirty = false;
  let isClosed = false;

  async function sync(): Promise<void> {
    isDirty = false;
    try {
      const table = serviceTable({
        services: informers.services.store.list(),
        slices: informers.slices.store.list(),
        findPod: (namespace, name) => informers.pods.store.get(namespace, name),
      });
      const addresses = await network.syncServices(table);
      for (const service of informers.services.store.list()) {
        await writeStatus(context, events, { service, address: addresses.get(`${service.metadata.namespace}/${service.metadata.name}`) });
      }
    } catch (error) {
      logger.warn('the service table could not be applied, trying again', { error: messageOf(error) });
      schedule(RETRY_MS);
    }
  }

  function schedule(delayMs = DEBOUNCE_MS): void {
    isDirty = true;
    if (timer || isClosed) return;
    timer = clock.after(
      delayMs,
      () => {
        timer = undefined;
        if (running) return;
        running = sync().finally(() => {
          running = undefined;
          if (isDirty) schedule();
        });
      },
      { background: true },
    );
  }

  const handlers = { onAdd: () => schedule(), onUpdate: () => schedule(), onDelete: () => schedule() };
  const unsubscribe = [informers.services.subscribe(handlers), informers.slices.subscribe(handlers), informers.pods.subscribe(handlers)];
  schedule();
  return {
    async close() {
      isClosed = true;
      timer?.cancel();
      for (const stop of unsubscribe) stop();
      await running;
    },
  };
}

type Answer = { service: Service; address: LoadBalancerAddress | undefined };

async function writeStatus({ client }: ControllerContext, events: EventRecorder, { service, address }: Answer): Promise<void> {
  const isBalanced = service.spec.type === 'LoadBalancer' && !service.metadata.deletionTimestamp;
  const ingress = isBalanced && address ? [ingressOf(address)] : [];
  const stored = service.status?.loadBalancer?.ingress ?? [];
  if (jsonEqual(stored, ingress)) return;
  const { name, namespace = '' } = service.metadata;
  try {
    await client.patch(
      SERVICES,
      { namespace, name },
      { type: 'merge', subresource: 'status', body: { status: { loadBalancer: { ingress } } } },
    );
  } catch (error) {
    if (isNotFound(error) || isConflict(error)) return;
    throw error;
  }
  for (const { port, reason } of address?.refused ?? []) {
    events.record(service, {
      type: 'Warning',
      reason: 'PortRefused',
      message: `port ${port} does not answer on ${address?.hostname}: ${reason}`,
    });
  }
  if (address && isBalanced) {
    const message = `${address.hostname} answers on ${address.bound.length > 0 ? address.bound.join(', ') : 'no port'}`;
    events.record(service, { type: 'Normal', reason: 'EnsuredLoadBalancer', message });
  }
}

function ingressOf({ hostname, bound, refused }: LoadBalancerAddress): LoadBalancerIngress {
  const ip = isIP(hostname) ? hostname : hostname === 'localhost' ? '127.0.0.1' : undefined;
  const ports = [
    ...bound.map((port) => ({ port, protocol: 'TCP' })),
    ...refused.map(({ port }) => ({ port, protocol: 'TCP', error: 'PortRefused' })),
  ].toSorted((a, b) => a.port - b.port);
  return { ...(ip !== undefined && { ip }), hostname, ports };
}
