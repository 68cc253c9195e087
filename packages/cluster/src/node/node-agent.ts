// The kubelet of the one node: one worker for each pod bound to it.

import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, createLifecycle, delay, type Logger, messageOf } from '@lateen/base';
import { createInformer, type Informer, isConflict, isNotFound, type KubeClient, resourcePath } from '@lateen/kube';
import type { ConfigMap, Endpoint, EndpointSlice, KubeObject, Pod, ResourceRef, Secret, Service, TokenRequest } from '@lateen/kube/types';
import type { BuiltinContainer, ClusterNetwork, NodeApi } from '../contracts.ts';
import { createEventRecorder, type EventRecorder } from './event-recorder.ts';
import type { ImageCatalogue } from './image-catalogue.ts';
import { CONFIG_MAPS, ENDPOINT_SLICES, PODS, SECRETS, SERVICE_ACCOUNTS, SERVICES } from './kube-resources.ts';
import { createNodeApi } from './node-api.ts';
import { createNodeRegistration, machineCapacity, nodeAddress } from './node-object.ts';
import { podLogDirectory } from './pod-paths.ts';
import { statusPatch } from './pod-status.ts';
import { PodWorker } from './pod-worker.ts';
import type { PodWorkerDeps } from './pod-worker-deps.ts';

export type NodeAgentOptions = {
  client: KubeClient;
  network: ClusterNetwork;
  catalogue: ImageCatalogue;
  builtins: Record<string, BuiltinContainer>;
  /** Pod directories, logs and claims live here. */
  stateDir: string;
  nodeName: string;
  clock: Clock;
  logger: Logger;
};

export type NodeAgent = {
  readonly nodeApi: NodeApi;
  /** Registers the node and takes up its pods; resolves when it knows all of them and their stored status is no older than this. */
  start(): Promise<void>;
  /** Ends all pods gracefully (at most 10 s each); their objects stay, so that a later start runs them again. */
  close(): Promise<void>;
};

/** The longest grace period that a stopping node gives. */
const SHUTDOWN_GRACE_MS = 10_000;
/** After the last endpoint of a pod is gone, clients get this long to notice: the control plane gathers changes for up to 500 ms. */
const DRAIN_SETTLE_MS = 700;
/** The wait is so many short ones, which a busy event loop stretches: it is the one in which the sidecars learn of it. */
const DRAIN_SETTLE_STEPS = 20;
/** How long a terminating pod waits for its endpoints to go at all. */
const DRAIN_LIMIT_MS = 5000;

export function createNodeAgent(options: NodeAgentOptions): NodeAgent {
  const { client, network, clock, nodeName } = options;
  const logger = options.logger.child('node');
  const lifecycle = createLifecycle();
  const events = createEventRecorder({ client, component: 'kubelet', host: nodeName, clock, logger });
  const hostIP = nodeAddress(network.mode);
  const registration = createNodeRegistration({ client, nodeName, hostIP, clock, logger });
  const workers = new Map<string, PodWorker>();
  const informer = <T extends KubeObject>(resource: ResourceRef): Informer<T> =>
    lifecycle.add(createInformer<T>({ client, resource, clock, logger }));
  let stopping = false;
  let pods: Informer<Pod> | undefined;

  function podChanged(pod: Pod, deps: PodWorkerDeps): void {
    if (stopping || pod.spec.nodeName !== nodeName) return;
    const uid = pod.metadata.uid ?? '';
    const worker = workers.get(uid);
    if (worker) return worker.update(pod);
    const over = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
    if (over || pod.metadata.deletionTimestamp) {
      if (pod.metadata.deletionTimestamp) void deps.removePod(pod);
      return;
    }
    const created = new PodWorker(pod, deps);
    workers.set(uid, created);
    created.update(pod);
  }

  function podDeleted(pod: Pod): void {
    const uid = pod.metadata.uid ?? '';
    const worker = workers.get(uid);
    if (!worker) return;
    // It stays known until its processes are gone, so that a clean stop waits for them.
    void worker.discard().finally(() => workers.delete(uid));
  }

  const nodeApi = createNodeApi({
    findPod: (namespace, name) => {
      const pod = pods?.store.get(namespace, name);
      return pod?.spec.nodeName === nodeName ? pod : undefined;
    },
    findWorker: (pod) => workers.get(pod.metadata.uid ?? ''),
    stateDir: options.stateDir,
    clock,
  });

  return {
    nodeApi,
    async start() {
      await rm(join(options.stateDir, 'pods'), { recursive: true, force: true });
      await mkdir(options.stateDir, { recursive: true, mode: 0o700 });
      await registration.register();
      const services = informer<Service>(SERVICES);
      const slices = informer<EndpointSlice>(ENDPOINT_SLICES);
      const configMaps = informer<ConfigMap>(CONFIG_MAPS);
      const secrets = informer<Secret>(SECRETS);
      await Promise.all([services.synced(), slices.synced()]);
      const deps: PodWorkerDeps = {
        ...clusterAccess({ client, clock, logger, events, slices, services }),
        network,
        catalogue: options.catalogue,
        builtins: options.builtins,
        clock,
        logger,
        stateDir: options.stateDir,
        nodeName,
        hostIP,
        allocatable: machineCapacity(),
      };
      const tell = (kind: 'ConfigMap' | 'Secret') => {
        const changed = ({ metadata }: KubeObject) => {
          for (const worker of workers.values()) {
            if (worker.pod.metadata.namespace === metadata.namespace) worker.configurationChanged(kind, metadata.name);
          }
        };
        return { onAdd: changed, onUpdate: changed };
      };
      configMaps.subscribe(tell('ConfigMap'));
      secrets.subscribe(tell('Secret'));
      pods = informer<Pod>(PODS);
      pods.subscribe({ onAdd: (pod) => podChanged(pod, deps), onUpdate: (pod) => podChanged(pod, deps), onDelete: podDeleted });
      await pods.synced();
      // What an earlier run stored must not pass for ready now.
      await Promise.all([...workers.values()].map((worker) => worker.statusWritten()));
      await forgetLogsOfGonePods(options.stateDir, new Set(pods.store.list().map((pod) => podLogDirectory(options.stateDir, pod))));
    },
    async close() {
      stopping = true;
      const running = [...workers.values()];
      let left = running.length;
      if (left > 0) logger.info(`stopping ${left} pods`);
      await Promise.all(
        running.map(async (worker) => {
          await worker.shutDown(SHUTDOWN_GRACE_MS);
          logger.debug('pod stopped', { pod: worker.pod.metadata.name, left: --left });
        }),
      );
      await events.flush();
      await registration.close();
      await lifecycle.close();
      if (running.length > 0) logger.info('all pods have stopped');
    },
  };
}

/** Pods may have been deleted while no agent ran. */
async function forgetLogsOfGonePods(stateDir: string, known: ReadonlySet<string>): Promise<void> {
  const names = await readdir(join(stateDir, 'logs')).catch(() => []);
  for (const name of names) {
    const path = join(stateDir, 'logs', name);
    if (!known.has(path)) await rm(path, { recursive: true, force: true });
  }
}

type Access = {
  client: KubeClient;
  clock: Clock;
  logger: Logger;
  events: EventRecorder;
  slices: Informer<EndpointSlice>;
  services: Informer<Service>;
};

type ClusterAccess = Pick<
  PodWorkerDeps,
  'configuration' | 'servicesOf' | 'requestToken' | 'event' | 'writeStatus' | 'removePod' | 'endpointsDrained'
>;

/** The worker's needs, answered by the API server. */
function clusterAccess({ client, clock, logger, events, slices, services }: Access): ClusterAccess {
  const targetOf = ({ metadata }: Pod) => ({
    name: metadata.name,
    ...(metadata.namespace !== undefined && { namespace: metadata.namespace }),
  });
  const read = <T>(resource: ResourceRef, namespace: string, name: string): Promise<T | undefined> =>
    client.get<T>(resource, { namespace, name }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
  return {
    configuration: {
      configMap: (namespace, name) => read<ConfigMap>(CONFIG_MAPS, namespace, name),
      secret: (namespace, name) => read<Secret>(SECRETS, namespace, name),
    },
    servicesOf: (namespace) => services.store.list(namespace),
    event: (pod, event) => events.record(pod, event),
    async requestToken(pod, { audience, expirationSeconds }) {
      const { metadata, spec } = pod;
      const name = spec.serviceAccountName || 'default';
      const boundObjectRef = {
        apiVersion: 'v1',
        kind: 'Pod',
        name: metadata.name,
        ...(metadata.uid !== undefined && { uid: metadata.uid }),
      };
      const body: TokenRequest = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { audiences: audience === undefined ? [] : [audience], expirationSeconds, boundObjectRef },
      };
      const path = resourcePath(SERVICE_ACCOUNTS, { namespace: metadata.namespace ?? '', name, subresource: 'token' });
      const answer = await client.requestJson<TokenRequest>({
        method: 'POST',
        path,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      const { token = '', expirationTimestamp = '' } = answer.status ?? {};
      return { token, expiresAtMs: Date.parse(expirationTimestamp) || clock.now() + expirationSeconds * 1000 };
    },
    async writeStatus(pod, status) {
      const body = { metadata: { uid: pod.metadata.uid }, status: statusPatch(status) };
      await client.patch(PODS, targetOf(pod), { type: 'strategic', subresource: 'status', body }).catch((error: unknown) => {
        // Gone, or another pod of the same name by now.
        if (!isNotFound(error) && !isConflict(error)) throw error;
      });
    },
    async removePod(pod) {
      const { uid } = pod.metadata;
      const preconditions = uid === undefined ? {} : { preconditions: { uid } };
      await client.delete(PODS, targetOf(pod), { gracePeriodSeconds: 0, ...preconditions }).catch((error: unknown) => {
        if (!isNotFound(error) && !isConflict(error)) logger.warn('a terminated pod could not be removed', { error: messageOf(error) });
      });
    },
    async endpointsDrained(pod) {
      const namespace = pod.metadata.namespace;
      if (!slices.store.list(namespace).some((slice) => endpointOf(slice, pod))) return;
      const deadline = clock.now() + DRAIN_LIMIT_MS;
      while (slices.store.list(namespace).some((slice) => isListedReady(slice, pod)) && clock.now() < deadline) await delay(clock, 10);
      for (let step = 0; step < DRAIN_SETTLE_STEPS; step++) await delay(clock, DRAIN_SETTLE_MS / DRAIN_SETTLE_STEPS);
    },
  };
}

const endpointOf = ({ endpoints = [] }: EndpointSlice, { metadata }: Pod): Endpoint | undefined =>
  endpoints.find(({ targetRef }) => targetRef?.uid === metadata.uid);

function isListedReady(slice: EndpointSlice, pod: Pod): boolean {
  const endpoint = endpointOf(slice, pod);
  return endpoint !== undefined && endpoint.conditions?.ready !== false;
}
