// A thin REST client: every verb of the API for any resource, JSON only, no discovery.

import { isObject } from '@lateen/base';
import { type DeleteOptions, formatApiVersion, type KubeList, type KubeObject, type ResourceRef, type WatchEvent } from '../types/index.ts';
import { kubeErrorOf } from './kube-error.ts';
import { type KubeRequest, type KubeTransport, readBody, readLines } from './transport.ts';

/** One object, or the collection when `name` is left out. `namespace` is ignored for cluster-scoped resources. */
export type Target = { namespace?: string; name: string; subresource?: string };

export type ListOptions = {
  /** Left out: all namespaces. */
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
  continue?: string;
  resourceVersion?: string;
  resourceVersionMatch?: 'Exact' | 'NotOlderThan';
  signal?: AbortSignal;
};
export type WatchOptions = Omit<ListOptions, 'limit' | 'continue'> & { allowWatchBookmarks?: boolean; timeoutSeconds?: number };
export type WriteOptions = {
  fieldManager?: string;
  dryRun?: boolean;
  subresource?: string;
  signal?: AbortSignal;
  /** What the server does about unknown and duplicate fields; its default is Warn. */
  fieldValidation?: 'Strict' | 'Warn' | 'Ignore';
};
export type PatchOptions = WriteOptions & {
  /** Server-side apply only: take fields from their owners. */
  force?: boolean;
};
export type PatchType = 'json' | 'merge' | 'strategic' | 'apply';

export type KubeClient = {
  readonly transport: KubeTransport;
  get<T = KubeObject>(resource: ResourceRef, target: Target, options?: { resourceVersion?: string; signal?: AbortSignal }): Promise<T>;
  /** One page (everything when no `limit`). Items carry apiVersion and kind. */
  list<T = KubeObject>(resource: ResourceRef, options?: ListOptions): Promise<KubeList<T>>;
  /** All pages, 500 objects each; starts over once when the continue token expires. */
  listAll<T = KubeObject>(resource: ResourceRef, options?: Omit<ListOptions, 'limit' | 'continue'>): Promise<KubeList<T>>;
  /** Ends with the connection. Yields BOOKMARK and ERROR events too; an HTTP error throws KubeError. */
  watch<T = KubeObject>(resource: ResourceRef, options?: WatchOptions): AsyncGenerator<WatchEvent<T>>;
  create<T extends KubeObject>(resource: ResourceRef, object: T, options?: WriteOptions): Promise<T>;
  update<T extends KubeObject>(resource: ResourceRef, object: T, options?: WriteOptions): Promise<T>;
  updateStatus<T extends KubeObject>(resource: ResourceRef, object: T, options?: WriteOptions): Promise<T>;
  /** `body` is the patch: an object, or the operations of a JSON patch. */
  patch<T = KubeObject>(resource: ResourceRef, target: Target, patch: { type: PatchType; body: unknown } & PatchOptions): Promise<T>;
  /** Server-side apply of the object under its own name; `fieldManager` default is the client's. */
  apply<T extends KubeObject>(resource: ResourceRef, object: T, options?: PatchOptions): Promise<T>;
  /** Gives the object while it is going, or a Status. */
  delete(resource: ResourceRef, target: Target, options?: DeleteOptions & { signal?: AbortSignal }): Promise<KubeObject>;
  /** Anything else, e.g. a token request or a discovery document; throws KubeError like the others. */
  requestJson<T = unknown>(request: KubeRequest): Promise<T>;
  close(): void | Promise<void>;
};

export type KubeClientOptions = {
  /** Default "lateen". */
  fieldManager?: string;
};

const PAGE_SIZE = 500;
const PATCH_MEDIA_TYPES: Record<PatchType, string> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
};

/** The path of a collection, or of one object when `name` is given. */
export function resourcePath(resource: ResourceRef, target: Partial<Target> = {}): string {
  const parts = [resource.group === '' ? `/api/${resource.version}` : `/apis/${formatApiVersion(resource)}`];
  if (resource.namespaced && target.namespace !== undefined) parts.push('namespaces', encodeURIComponent(target.namespace));
  parts.push(resource.resource);
  if (target.name !== undefined) parts.push(encodeURIComponent(target.name));
  if (target.subresource !== undefined) parts.push(target.subresource);
  return parts.join('/');
}

/** Closing the client closes its transport. */
export function createKubeClient(transport: KubeTransport, options: KubeClientOptions = {}): KubeClient {
  const fieldManager = options.fieldManager ?? 'lateen';

  async function requestJson<T>(request: KubeRequest): Promise<T> {
    const response = await transport.request(request);
    const body = await readBody(response.body);
    if (response.status >= 300) throw kubeErrorOf(response.status, body, `${request.method} ${request.path}`);
    return JSON.parse(body) as T;
  }

  function write<T>(method: string, path: string, body: unknown, options: PatchOptions & { mediaType?: string }): Promise<T> {
    return requestJson<T>({
      method,
      path,
      query: {
        fieldManager: options.fieldManager ?? fieldManager,
        dryRun: options.dryRun ? 'All' : undefined,
        force: options.force === undefined ? undefined : String(options.force),
        fieldValidation: options.fieldValidation,
      },
      headers: { 'content-type': options.mediaType ?? 'application/json' },
      body: JSON.stringify(body),
      ...signalOf(options),
    });
  }

  const client: KubeClient = {
    transport,
    requestJson,
    get: (resource, target, { resourceVersion, signal } = {}) =>
      requestJson({ method: 'GET', path: resourcePath(resource, target), query: { resourceVersion }, ...signalOf({ signal }) }),

    async list<T>(resource: ResourceRef, options: ListOptions = {}) {
      const path = resourcePath(resource, options.namespace === undefined ? {} : { namespace: options.namespace });
      const list = await requestJson<KubeList<T>>({ method: 'GET', path, query: listQuery(options), ...signalOf(options) });
      return withItemTypes(list, resource);
    },

    async listAll<T>(resource: ResourceRef, options: Omit<ListOptions, 'limit' | 'continue'> = {}) {
      const first = await client.list<T>(resource, { ...options, limit: PAGE_SIZE });
      const items = [...first.items];
      for (let token = first.metadata.continue; token; ) {
        const { resourceVersion: _, resourceVersionMatch: __, ...rest } = options;
        const page = await client.list<T>(resource, { ...rest, limit: PAGE_SIZE, continue: token }).catch((error: unknown) => {
          if ((error as { httpStatus?: number }).httpStatus !== 410) throw error;
          return undefined;
        });
        if (!page) return client.list<T>(resource, options);
        items.push(...page.items);
        token = page.metadata.continue;
      }
      return { ...first, items };
    },

    async *watch<T>(resource: ResourceRef, options: WatchOptions = {}) {
      const path = resourcePath(resource, options.namespace === undefined ? {} : { namespace: options.namespace });
      const response = await transport.request({
        method: 'GET',
        path,
        query: {
          ...listQuery(options),
          watch: 'true',
          allowWatchBookmarks: options.allowWatchBookmarks ? 'true' : undefined,
          timeoutSeconds: options.timeoutSeconds?.toString(),
        },
        ...signalOf(options),
      });
      if (response.status >= 300) throw kubeErrorOf(response.status, await readBody(response.body), `watch ${path}`);
      try {
        for await (const line of readLines(response.body)) {
          if (line.trim() !== '') yield JSON.parse(line) as WatchEvent<T>;
        }
      } catch (error) {
        throw options.signal?.aborted ? options.signal.reason : error;
      }
    },

    create: (resource, object, options = {}) =>
      write('POST', resourcePath(resource, { ...namespaceOf(object), ...subresourceOf(options) }), object, options),
    update: (resource, object, options = {}) => write('PUT', objectPath(resource, object, options.subresource), object, options),
    updateStatus: (resource, object, options = {}) => write('PUT', objectPath(resource, object, 'status'), object, options),
    patch: (resource, target, { type, body, ...options }) =>
      write('PATCH', resourcePath(resource, { ...target, ...subresourceOf(options) }), body, {
        ...options,
        mediaType: PATCH_MEDIA_TYPES[type],
      }),
    apply: (resource, object, options = {}) =>
      write('PATCH', objectPath(resource, object, options.subresource), object, { ...options, mediaType: PATCH_MEDIA_TYPES.apply }),
    delete: (resource, target, { signal, ...options } = {}) =>
      requestJson({
        method: 'DELETE',
        path: resourcePath(resource, target),
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ apiVersion: 'v1', kind: 'DeleteOptions', ...options }),
        ...signalOf({ signal }),
      }),
    close: () => transport.close(),
  };
  return client;
}

const signalOf = ({ signal }: { signal?: AbortSignal | undefined }) => (signal ? { signal } : {});
const subresourceOf = ({ subresource }: WriteOptions) => (subresource === undefined ? {} : { subresource });
const namespaceOf = (object: KubeObject) => (object.metadata.namespace === undefined ? {} : { namespace: object.metadata.namespace });
const objectPath = (resource: ResourceRef, object: KubeObject, subresource?: string): string =>
  resourcePath(resource, { ...namespaceOf(object), name: object.metadata.name, ...(subresource === undefined ? {} : { subresource }) });

function listQuery(options: ListOptions): Record<string, string | undefined> {
  return {
    labelSelector: options.labelSelector || undefined,
    fieldSelector: options.fieldSelector || undefined,
    limit: options.limit?.toString(),
    continue: options.continue,
    resourceVersion: options.resourceVersion,
    resourceVersionMatch: options.resourceVersionMatch,
  };
}

// The API server leaves apiVersion and kind out of list items.
function withItemTypes<T>(list: KubeList<T>, resource: ResourceRef): KubeList<T> {
  const kind = list.kind.endsWith('List') ? list.kind.slice(0, -4) : list.kind;
  const apiVersion = list.apiVersion || formatApiVersion(resource);
  const items = (list.items ?? []).map((item) =>
    isObject(item) && item['kind'] === undefined ? ({ apiVersion, kind, ...item } as T) : item,
  );
  return { ...list, items };
}
