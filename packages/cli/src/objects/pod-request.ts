// An HTTP GET to a port inside a pod, by the API server's pod proxy: no listener on this machine, no extra protocol.

import { CodedError } from '@lateen/base';
import { type KubeClient, kubeErrorOf, readBody } from '@lateen/kube';
import type { PodTarget } from './pod-target.ts';

export type PodRequest = { port: number /** With its query. */; path: string };

/** The body of a 200 answer. @throws CodedError LAT7306 for any other status, KubeError when the server refuses. */
export async function requestPod({ client }: { client: KubeClient }, pod: PodTarget, { port, path }: PodRequest): Promise<string> {
  const [pathname = '', search = ''] = path.split('?');
  const query = Object.fromEntries(new URLSearchParams(search));
  const podPath = `/api/v1/namespaces/${encodeURIComponent(pod.namespace)}/pods/${encodeURIComponent(pod.name)}:${port}/proxy${pathname}`;
  const response = await client.transport.request({ method: 'GET', path: podPath, query });
  const body = await readBody(response.body);
  if (response.status === 200) return body;
  if ((response.headers['content-type'] ?? '').includes('json') && body.includes('"kind":"Status"'))
    throw kubeErrorOf(response.status, body, `GET ${podPath}`);
  throw new CodedError({
    code: 'LAT7306',
    what: `${pod.name}.${pod.namespace} answered ${response.status} to ${pathname} on port ${port}`,
    why: body.slice(0, 200) || 'no reason given',
    fix: 'check that the pod is ready and has a sidecar',
  });
}
