// Objects from a Kubernetes API, embedded or real: one list-watch for each kind.

import { type Clock, delay, type Logger, silentLogger, systemClock } from '@lateen/base';
import { createInformer, type Informer, type KubeClient } from '@lateen/kube';
import type { ConfigMap, KubeObject, ResourceRef } from '@lateen/kube/types';
import { readMeshConfig } from './mesh-config.ts';
import type { ObjectSink, ObjectSource } from './source.ts';

const core = (resource: string, namespaced = true): ResourceRef => ({ group: '', version: 'v1', resource, namespaced });
const istio = (group: string, resource: string): ResourceRef => ({ group, version: 'v1', resource, namespaced: true });

const CORE_RESOURCES: readonly ResourceRef[] = [
  core('namespaces', false),
  core('nodes', false),
  core('services'),
  core('pods'),
  { group: 'discovery.k8s.io', version: 'v1', resource: 'endpointslices', namespaced: true },
];
const ISTIO_RESOURCES: readonly ResourceRef[] = [
  ...['virtualservices', 'destinationrules', 'gateways', 'serviceentries', 'sidecars', 'workloadentries'].map((name) =>
    istio('networking.istio.io', name),
  ),
  istio('telemetry.istio.io', 'telemetries'),
  { ...istio('networking.istio.io', 'proxyconfigs'), version: 'v1beta1' },
];

/** Definitions may come later than the control plane; it then serves without them and picks them up. */
const DEFINITIONS_TIMEOUT_MS = 5_000;

export type KubernetesSourceOptions = {
  client: KubeClient;
  /** Where ConfigMap "istio" is. */
  namespace: string;
  clusterId: string;
  clock?: Clock;
  logger?: Logger;
};

export function createKubernetesSource(options: KubernetesSourceOptions): ObjectSource {
  const { client, namespace, clusterId, clock = systemClock, logger = silentLogger } = options;
  const informers: Informer<KubeObject>[] = [];
  const stop = new AbortController();

  const follow = (resource: ResourceRef, sink: ObjectSink): Informer<KubeObject> => {
    const apply = (object: KubeObject) => sink.change([{ type: 'apply', object }]);
    const informer = createInformer<KubeObject>({
      client,
      resource,
      logger,
      clock,
      handlers: { onAdd: apply, onUpdate: apply, onDelete: (object) => sink.change([{ type: 'delete', object }]) },
    });
    informers.push(informer);
    return informer;
  };

  const followMeshConfig = (sink: ObjectSink): Informer<KubeObject> => {
    const read = (object: KubeObject | undefined) => {
      sink.setMeshConfig({ ...readMeshConfig((object as ConfigMap | undefined)?.data?.['mesh'], logger), clusterId });
    };
    const informer = createInformer<KubeObject>({
      client,
      resource: core('configmaps'),
      namespace,
      fieldSelector: 'metadata.name=istio',
      logger,
      clock,
      handlers: { onAdd: read, onUpdate: read, onDelete: () => read(undefined) },
    });
    informers.push(informer);
    return informer;
  };

  return {
    async start(sink) {
      const needed = [...CORE_RESOURCES.map((resource) => follow(resource, sink)), followMeshConfig(sink)];
      const optional = ISTIO_RESOURCES.map((resource) => follow(resource, sink));
      await Promise.all(needed.map((informer) => informer.synced()));
      const all = Promise.all(optional.map((informer) => informer.synced())).catch(() => {});
      await Promise.race([all, delay(clock, DEFINITIONS_TIMEOUT_MS, stop.signal).catch(() => {})]);
      const missing = ISTIO_RESOURCES.filter((_resource, index) => !optional[index]?.hasSynced).map(({ resource }) => resource);
      if (missing.length > 0) logger.warn('some definitions are not installed yet; serving without them', { missing });
    },
    async close() {
      stop.abort(new Error('closed'));
      await Promise.all(informers.map((informer) => informer.close()));
    },
  };
}
