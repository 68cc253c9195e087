// /inject: a pod that is being created gets its sidecar.

import { CodedError, type Logger } from '@lateen/base';
import type { AdmissionRequest, AdmissionResponse, KubeObject, Namespace, Pod } from '@lateen/kube/types';
import { type MeshSnapshot, proxySettingsFor } from '@lateen/mesh';
import { type InjectConfig, type InjectPodResult, injectPod, overlayValues, parseInjectPath } from '@lateen/mesh/inject';
import type { ControlMetrics } from '../metrics.ts';
import { type AdmissionHandler, deny } from './admission.ts';

export type InjectHandlerOptions = {
  config: () => InjectConfig;
  /** The namespace as the API server has it now. */
  readNamespace: (name: string) => Promise<Namespace>;
  /** The snapshot with everything that has arrived. */
  snapshot: () => MeshSnapshot;
  metrics: ControlMetrics;
  logger: Logger;
};

export function createInjectHandler(options: InjectHandlerOptions): AdmissionHandler {
  const { metrics, logger } = options;
  return async (request, path): Promise<Omit<AdmissionResponse, 'uid'>> => {
    const pod = request.object as (KubeObject & Pod) | null | undefined;
    if (!pod || request.kind.kind !== 'Pod') return { allowed: true };
    metrics.injectionRequests.labels().add();
    try {
      const { decision, patch } = await decide(pod, { request, path }, options);
      logger.debug('injection', {
        namespace: request.namespace,
        pod: pod.metadata.name || pod.metadata.generateName,
        inject: decision.inject,
        reason: decision.reason,
      });
      if (!patch) {
        metrics.injectionSkips.labels().add();
        return { allowed: true };
      }
      metrics.injectionSuccesses.labels().add();
      return { allowed: true, patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') };
    } catch (error) {
      metrics.injectionFailures.labels().add();
      if (!(error instanceof CodedError)) throw error;
      return deny(`cannot inject the sidecar: ${error.message}${error.fix ? ` (${error.fix})` : ''}`);
    }
  };
}

async function decide(
  pod: KubeObject & Pod,
  { request, path }: { request: AdmissionRequest; path: string },
  { config: configuration, snapshot: latest, readNamespace }: InjectHandlerOptions,
): Promise<InjectPodResult> {
  const name = request.namespace ?? pod.metadata.namespace ?? 'default';
  const snapshot = latest();
  const config = configFor(configuration(), {
    proxyEnvs: parseInjectPath(path),
    defaultConfig: proxySettingsFor(snapshot, { namespace: name, labels: pod.metadata.labels ?? {} }),
  });
  const known = snapshot.namespaces.get(`/${name}`);
  if (known) {
    const result = injectPod({ pod, namespace: known, config });
    if (result.decision.inject) return result;
  }
  // The label may be younger than our view; the API server saw it when it called us.
  return injectPod({ pod, namespace: await readNamespace(name), config });
}

const configFor = (
  config: InjectConfig,
  { proxyEnvs, defaultConfig }: { proxyEnvs: Record<string, string>; defaultConfig: Record<string, unknown> },
): InjectConfig => ({
  ...config,
  proxyEnvs: { ...config.proxyEnvs, ...proxyEnvs },
  meshConfig: overlayValues(config.meshConfig, { defaultConfig }),
});
