import { CodedError } from '@lateen/base';
import type { KubeClient } from '@lateen/kube';
import type { Pod } from '@lateen/kube/types';
import { requestPod } from '../objects/pod-request.ts';

const PODS = { group: '', version: 'v1', resource: 'pods', namespaced: true };
const DEBUG_PORT = 8080;

/** Asks every running control-plane pod the same debug question. @throws CodedError LAT7307 when there is none. */
export async function requestControlPlanes<T>(
  { client }: { client: KubeClient },
  namespace: string,
  path: string,
): Promise<{ pod: string; value: T }[]> {
  const { items } = await client.listAll<Pod>(PODS, { namespace, labelSelector: 'app=istiod' });
  const running = items.filter(({ status }) => status?.phase === 'Running');
  if (running.length === 0) {
    throw new CodedError({
      code: 'LAT7307',
      what: `no control plane is running in ${namespace}`,
      fix: `kubectl -n ${namespace} get pods -l app=istiod`,
    });
  }
  return Promise.all(
    running.map(async ({ metadata }) => {
      const text = await requestPod({ client }, { namespace, name: metadata.name }, { port: DEBUG_PORT, path });
      return { pod: metadata.name, value: JSON.parse(text) as T };
    }),
  );
}
