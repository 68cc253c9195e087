// What the controllers share: the client, one informer for each kind, and the frame of a controller (a queue of
// "namespace/name" keys).

import { type Clock, type Closable, createLifecycle, type Logger, messageOf } from '@lateen/base';
import {
  createInformer,
  createWorkQueue,
  type Informer,
  isConflict,
  isNotFound,
  type KubeClient,
  KubeError,
  type WorkQueue,
} from '@lateen/kube';
import type {
  CronJob,
  DaemonSet,
  Deployment,
  EndpointSlice,
  Endpoints,
  Job,
  KubeObject,
  Node,
  Pod,
  ReplicaSet,
  ResourceRef,
  Service,
  StatefulSet,
} from '@lateen/kube/types';
import { createEventRecorder, type EventRecorder } from '../node/event-recorder.ts';
import * as resources from '../node/kube-resources.ts';

export type ControllerContext = {
  client: KubeClient;
  clock: Clock;
  logger: Logger;
  informers: {
    pods: Informer<Pod>;
    services: Informer<Service>;
    slices: Informer<EndpointSlice>;
    endpoints: Informer<Endpoints>;
    nodes: Informer<Node>;
    deployments: Informer<Deployment>;
    replicaSets: Informer<ReplicaSet>;
    statefulSets: Informer<StatefulSet>;
    daemonSets: Informer<DaemonSet>;
    jobs: Informer<Job>;
    cronJobs: Informer<CronJob>;
  };
  /** A recorder that speaks for one controller. */
  events(component: string): EventRecorder;
};

export type ContextOptions = { client: KubeClient; clock: Clock; logger: Logger };

/** Starts the informers; resolves when all have their first list. */
export async function createControllerContext(options: ContextOptions): Promise<ControllerContext & Closable> {
  const { client, clock } = options;
  const logger = options.logger.child('controllers');
  const lifecycle = createLifecycle();
  const recorders: EventRecorder[] = [];
  const watch = <T extends KubeObject>(resource: ResourceRef): Informer<T> =>
    lifecycle.add(createInformer<T>({ client, resource, clock, logger }));
  const informers = {
    pods: watch<Pod>(resources.PODS),
    services: watch<Service>(resources.SERVICES),
    slices: watch<EndpointSlice>(resources.ENDPOINT_SLICES),
    endpoints: watch<Endpoints>(resources.ENDPOINTS),
    nodes: watch<Node>(resources.NODES),
    deployments: watch<Deployment>(resources.DEPLOYMENTS),
    replicaSets: watch<ReplicaSet>(resources.REPLICA_SETS),
    statefulSets: watch<StatefulSet>(resources.STATEFUL_SETS),
    daemonSets: watch<DaemonSet>(resources.DAEMON_SETS),
    jobs: watch<Job>(resources.JOBS),
    cronJobs: watch<CronJob>(resources.CRON_JOBS),
  };
  await Promise.all(Object.values(informers).map((informer) => informer.synced()));
  return {
    client,
    clock,
    logger,
    informers,
    events(component) {
      const recorder = createEventRecorder({ client, component, clock, logger });
      recorders.push(recorder);
      return recorder;
    },
    async close() {
      await lifecycle.close();
      await Promise.all(recorders.map((recorder) => recorder.flush()));
    },
  };
}

/** Queue key of an object. */
export const keyOf = ({ metadata }: KubeObject): string => `${metadata.namespace ?? ''}/${metadata.name}`;

/** A key that waits for a webhook's timeout must not hold up the others, least of all the pods of the webhook itself. */
const MAX_CONCURRENT = 16;
/** What fails here waits for something local, e.g. the control plane behind a webhook, and that is soon back. */
const MAX_RETRY_MS = 1000;

/** A queue whose work is given namespace and name. Conflicts and races are tried again silently, other failures are logged. */
export function createKeyedQueue(
  name: string,
  { clock, logger }: Pick<ControllerContext, 'clock' | 'logger'>,
  process: (namespace: string, name: string) => Promise<void>,
): WorkQueue {
  return createWorkQueue({
    clock,
    concurrency: MAX_CONCURRENT,
    retryMaxMs: MAX_RETRY_MS,
    process: (key) => {
      const slash = key.indexOf('/');
      return process(key.slice(0, slash), key.slice(slash + 1));
    },
    onError: (key, error) => {
      if (isConflict(error) || isNotFound(error)) logger.debug(`${name}: trying again`, { key, error: messageOf(error) });
      else logger.warn(`${name}: failed, trying again`, { key, error: messageOf(error) });
    },
  });
}

/** What the API server says was wrong, in its own words. */
export const refusalOf = (error: unknown): string => (error instanceof KubeError && error.status.message) || messageOf(error);

/** Handlers that put every changed object's key (or the keys that `keys` makes of it) into the queue. */
export function enqueueOn<T extends KubeObject>(queue: WorkQueue, keys: (object: T) => readonly string[] = (object) => [keyOf(object)]) {
  const enqueue = (object: T) => {
    for (const key of keys(object)) queue.add(key);
  };
  return {
    onAdd: enqueue,
    onUpdate(object: T, old: T) {
      enqueue(old);
      enqueue(object);
    },
    onDelete: enqueue,
  };
}

/** The object as the API server has it now, or undefined. */
export function readObject<T>(
  client: KubeClient,
  resource: ResourceRef,
  target: { namespace: string; name: string },
): Promise<T | undefined> {
  return client.get<T>(resource, target).catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
}
