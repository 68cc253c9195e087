import { CodedError, delay, systemClock } from '@lateen/base';
import type { KubeClient } from '@lateen/kube';
import type { Deployment, Pod } from '@lateen/kube/types';

const DEPLOYMENTS = { group: 'apps', version: 'v1', resource: 'deployments', namespaced: true };
const PODS = { group: '', version: 'v1', resource: 'pods', namespaced: true };
const POLL_MS = 50;

/** Resolves when every deployment of the namespace (or those named) has all its replicas ready. @throws CodedError LAT7104 with what is missing. */
export async function waitForDeployments(
  client: KubeClient,
  namespace: string,
  options: { names?: string[]; timeoutMs: number; signal: AbortSignal },
): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + options.timeoutMs;
  for (;;) {
    const { items } = await client.listAll<Deployment>(DEPLOYMENTS, { namespace });
    const wanted = items.filter(({ metadata }) => options.names?.includes(metadata.name) ?? true);
    const waiting = wanted.filter((deployment) => !isReady(deployment));
    if (waiting.length === 0 && wanted.length >= (options.names?.length ?? 1)) return;
    if (systemClock.monotonicMs() > deadlineMs) {
      throw new CodedError({
        code: 'LAT7104',
        what: `not ready after ${options.timeoutMs / 1000} s: ${waiting.map(({ metadata }) => metadata.name).join(', ') || 'nothing was deployed'}`,
        why: await describePods(client, namespace),
        fix: `kubectl -n ${namespace} describe pods`,
      });
    }
    await delay(systemClock, POLL_MS, options.signal);
  }
}

function isReady({ metadata, spec, status }: Deployment): boolean {
  const replicas = spec.replicas ?? 1;
  return (
    status?.observedGeneration === metadata.generation &&
    (status?.updatedReplicas ?? 0) >= replicas &&
    (status?.readyReplicas ?? 0) >= replicas
  );
}

async function describePods(client: KubeClient, namespace: string): Promise<string> {
  const { items } = await client.listAll<Pod>(PODS, { namespace });
  const troubled = items.flatMap((pod) => {
    const containers = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
    const reasons = containers.flatMap(({ name, ready, state }) => {
      const reason = state?.waiting?.reason ?? state?.terminated?.reason;
      return ready || !reason ? [] : [`${name} ${reason}${state?.waiting?.message ? ` (${state.waiting.message})` : ''}`];
    });
    return reasons.length > 0 ? [`${pod.metadata.name}: ${reasons.join(', ')}`] : [];
  });
  return troubled.join('; ') || 'its pods are starting or not yet made';
}
