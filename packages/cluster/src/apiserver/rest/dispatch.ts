// From a resource path and an HTTP method to the verb that serves it.

import type { KubeObject } from '@lateen/kube/types';
import type { NodeApi } from '../../contracts.ts';
import { requestToken, review } from '../auth/reviews.ts';
import type { ServiceAccountTokens } from '../auth/service-account-tokens.ts';
import type { ApiReply, ApiRequest } from '../http/exchange.ts';
import { builtinSchema } from '../schema/builtin.ts';
import { methodNotAllowed, pathNotFound } from '../status.ts';
import { logs } from '../streaming/logs.ts';
import { readObject } from './body.ts';
import { type Call, type Core, callOptions } from './call.ts';
import { create } from './create.ts';
import { remove, removeCollection } from './delete.ts';
import { patch } from './patch.ts';
import { parseResourcePath, type ResourcePath } from './path.ts';
import { bind, evict } from './pod-subresources.ts';
import { get, list, readStored } from './read.ts';
import { scale } from './scale.ts';
import { update } from './update.ts';
import { watch } from './watch.ts';

export type Services = { core: Core; tokens: ServiceAccountTokens; nodeApi: NodeApi };

/** The call that a request makes. @throws ApiError 404 when there is no such resource */
export function callOf(core: Core, request: ApiRequest): Call {
  const path = parseResourcePath(request.path);
  const resource = path && core.registry.find(path.group, path.version, path.plural);
  if (!path || !resource) throw pathNotFound();
  if (!isPlaced(path, resource.namespaced) || (path.subresource && !resource.subresources.has(path.subresource))) throw pathNotFound();
  const { namespace, name, subresource } = path;
  const warnings = resource.custom?.deprecationWarning ? [resource.custom.deprecationWarning] : [];
  return { core, request, resource, namespace, name, subresource, options: callOptions(request), warnings };
}

const isPlaced = (path: ResourcePath, namespaced: boolean): boolean =>
  namespaced ? path.namespace !== undefined || path.name === undefined : path.namespace === undefined;

/** Serves any resource request that needs no upgraded connection. @throws ApiError */
export async function dispatch(call: Call, services: Services): Promise<ApiReply> {
  const { resource, name, subresource } = call;
  const { method, query } = call.request;
  if (!resource.verbs.includes('get')) {
    if (method !== 'POST' || name !== undefined) throw methodNotAllowed(resource, method.toLowerCase());
    return resource.kind === 'Binding' ? bind({ ...call, resource: podsOf(call) }) : review(call, services.tokens);
  }
  if (subresource !== undefined && subresource !== 'status' && subresource !== 'ephemeralcontainers')
    return dispatchSubresource(call, services);
  if (query.get('watch') === 'true' || query.get('watch') === '1') {
    if (method === 'GET' && subresource === undefined) return watch(call);
  }
  switch (method) {
    case 'GET':
      return name === undefined ? list(call) : get(call);
    case 'POST':
      if (name !== undefined) break;
      return create(call);
    case 'PUT':
      if (name === undefined) break;
      return update(call);
    case 'PATCH':
      if (name === undefined) break;
      return patch(call);
    case 'DELETE':
      if (subresource !== undefined) break;
      return name === undefined ? removeCollection(call) : remove(call);
  }
  throw methodNotAllowed(resource, method.toLowerCase());
}

function podsOf(call: Call): Call['resource'] {
  const pods = call.core.registry.find('', 'v1', 'pods');
  if (!pods) throw pathNotFound();
  return pods;
}

async function dispatchSubresource(call: Call, { tokens, nodeApi }: Services): Promise<ApiReply> {
  const { method } = call.request;
  switch (call.subresource) {
    case 'scale':
      return scale(call);
    case 'finalize':
      if (method === 'PUT') return update(call);
      break;
    case 'binding':
      if (method === 'POST') return bind(call);
      break;
    case 'eviction':
      if (method === 'POST') return evict(call);
      break;
    case 'log':
      if (method === 'GET') return logs(call, nodeApi);
      break;
    case 'token':
      if (method === 'POST') return serviceAccountToken(call, tokens);
      break;
  }
  throw methodNotAllowed(call.resource, method.toLowerCase());
}

function serviceAccountToken(call: Call, tokens: ServiceAccountTokens): ApiReply {
  const account = readStored(call);
  const schema = builtinSchema('authentication.k8s.io/v1', 'TokenRequest');
  const request: KubeObject = readObject(call, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', schema });
  return requestToken(call, { request, account, tokens });
}
