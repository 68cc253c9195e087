// get and list.

import { type FieldSelector, matchesFields, matchesLabels, parseFieldSelector, parseLabelSelector, type Selector } from '@lateen/kube';
import type { KubeObject } from '@lateen/kube/types';
import { type ApiReply, json } from '../http/exchange.ts';
import { badRequest, expired, notFound } from '../status.ts';
import { type Call, keyOf } from './call.ts';
import { negotiate, type Rendering, renderList, renderObject } from './negotiate.ts';

export type Filter = { labels: Selector; fields: FieldSelector };

/** The selectors of the query. @throws ApiError 400 */
export function filterOf(call: Call): Filter {
  const { query } = call.request;
  const labels = parseLabelSelector(query.get('labelSelector') ?? '');
  if (!labels.ok) throw badRequest(`unable to parse requirement: ${labels.error}`);
  const fields = parseFieldSelector(query.get('fieldSelector') ?? '');
  if (!fields.ok) throw badRequest(fields.error);
  // A name in the path of a watch or delete-collection narrows like a field selector.
  const byName = call.name === undefined ? [] : [{ path: 'metadata.name', negated: false, value: call.name }];
  return { labels: labels.value, fields: [...fields.value, ...byName] };
}

export const matches = (filter: Filter, object: KubeObject): boolean =>
  matchesLabels(filter.labels, object.metadata.labels ?? {}) && matchesFields(filter.fields, object);

export function renderingOf(call: Call): Rendering {
  return {
    form: negotiate(call.request.headers['accept']),
    resource: call.resource,
    nowMs: call.core.clock.now(),
    includeObject: call.request.query.get('includeObject'),
  };
}

/** The stored object that the call names. @throws ApiError 404 */
export function readStored(call: Call): KubeObject {
  const name = call.name ?? '';
  const object = call.core.store.get(keyOf(call.resource, call.namespace, name));
  if (!object) throw notFound(call.resource, name);
  return object;
}

export function get(call: Call): ApiReply {
  return json(200, renderObject(call.resource.fromStorage(readStored(call)), renderingOf(call)));
}

const MAX_CONTINUE = 1000;

/** Lists with selectors; `limit` and `continue` page through one revision. @throws ApiError 410 when that revision is forgotten */
export function list(call: Call): ApiReply {
  const { query } = call.request;
  const { store } = call.core;
  const rendering = renderingOf(call);
  const filter = filterOf(call);
  const limit = Number(query.get('limit') ?? 0);
  const token = query.get('continue') ? parseContinue(query.get('continue') as string) : undefined;
  const exact = query.get('resourceVersionMatch') === 'Exact' ? Number(query.get('resourceVersion')) : undefined;
  const revision = token?.revision ?? exact ?? store.revision;
  const scope = { resource: call.resource.storage, namespace: call.resource.namespaced ? call.namespace : undefined };
  const at = store.list(scope, revision === store.revision ? undefined : revision);
  if (!at) {
    throw expired(
      token
        ? 'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.'
        : `The resourceVersion for the provided list is too old: ${revision}.`,
    );
  }
  const start = token ? at.findIndex((object) => sortsAfter(object, token)) : 0;
  const rest = (start < 0 ? [] : at.slice(start)).map(call.resource.fromStorage).filter((object) => matches(filter, object));
  const page = limit > 0 ? rest.slice(0, limit) : rest;
  const last = page.at(-1);
  const more = rest.length - page.length;
  const metadata = {
    resourceVersion: String(revision),
    ...(more > 0 && last ? { continue: formatContinue(revision, last) } : {}),
    // Not given with selectors, as in Kubernetes.
    ...(more > 0 && filter.labels.length === 0 && filter.fields.length === 0 ? { remainingItemCount: more } : {}),
  };
  return json(200, renderList(page, metadata, rendering));
}

type Continue = { revision: number; namespace: string; name: string };

function sortsAfter(object: KubeObject, { namespace, name }: Continue): boolean {
  const own = object.metadata.namespace ?? '';
  return own === namespace ? object.metadata.name > name : own > namespace;
}

const formatContinue = (revision: number, { metadata }: KubeObject): string =>
  Buffer.from(JSON.stringify([revision, metadata.namespace ?? '', metadata.name])).toString('base64url');

function parseContinue(token: string): Continue {
  if (token.length > MAX_CONTINUE) throw badRequest('continue key is not valid');
  try {
    const [revision, namespace, name] = JSON.parse(Buffer.from(token, 'base64url').toString()) as unknown[];
    if (Number.isSafeInteger(revision) && typeof namespace === 'string' && typeof name === 'string') {
      return { revision: revision as number, namespace, name };
    }
  } catch {}
  throw badRequest('continue key is not valid');
}
