// GET …/pods/NAME/log: the node's stream, passed on as it comes.

import type { Pod } from '@lateen/kube/types';
import type { LogOptions, NodeApi } from '../../contracts.ts';
import type { ApiReply } from '../http/exchange.ts';
import type { Call } from '../rest/call.ts';
import { readStored } from '../rest/read.ts';
import { badRequest } from '../status.ts';
import { nodeError } from './node-error.ts';

export async function logs(call: Call, nodeApi: NodeApi): Promise<ApiReply> {
  const pod = readStored(call) as unknown as Pod;
  const { query } = call.request;
  const ref = { namespace: call.namespace ?? '', name: call.name ?? '', container: containerOf(pod, query.get('container')) };
  try {
    const stream = await nodeApi.logs(ref, optionsOf(query), call.request.signal);
    return { status: 200, headers: { 'content-type': 'text/plain' }, body: undefined, stream };
  } catch (error) {
    throw nodeError(error);
  }
}

/** The container that a request means: the named one, or the only one. @throws ApiError 400 with the choices */
export function containerOf(pod: Pod, asked: string | null): string {
  const regular = pod.spec.containers.map((one) => one.name);
  const initial = (pod.spec.initContainers ?? []).map((one) => one.name);
  const ephemeral = ((pod.spec as { ephemeralContainers?: { name: string }[] }).ephemeralContainers ?? []).map((one) => one.name);
  const all = [...regular, ...initial, ...ephemeral];
  if (asked) {
    if (!all.includes(asked)) throw badRequest(`container ${asked} is not valid for pod ${pod.metadata.name}`);
    return asked;
  }
  const preferred = pod.metadata.annotations?.['kubectl.kubernetes.io/default-container'];
  if (preferred !== undefined && all.includes(preferred)) return preferred;
  if (regular.length === 1) return regular[0] as string;
  const choices = `[${regular.join(' ')}]${initial.length > 0 ? ` or one of the init containers: [${initial.join(' ')}]` : ''}`;
  throw badRequest(`a container name must be specified for pod ${pod.metadata.name}, choose one of: ${choices}`);
}

function optionsOf(query: URLSearchParams): LogOptions {
  const number = (name: string): number | undefined => {
    const text = query.get(name);
    if (text === null || text === '') return undefined;
    const value = Number(text);
    if (!Number.isInteger(value) || value < 0)
      throw badRequest(`PodLogOptions.${name}: Invalid value: ${JSON.stringify(text)}: must be a non-negative integer`);
    return value;
  };
  const flag = (name: string): boolean => ['true', '1'].includes(query.get(name) ?? '');
  return {
    follow: flag('follow'),
    previous: flag('previous'),
    timestamps: flag('timestamps'),
    tailLines: number('tailLines'),
    sinceSeconds: number('sinceSeconds'),
    sinceTime: query.get('sinceTime') ?? undefined,
    limitBytes: number('limitBytes'),
  };
}
