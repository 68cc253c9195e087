// A small real HTTP server with one namespaced collection: list (paged), watch, create, update with optimistic locking. For
// tests of the client side only; the embedded cluster has the real one.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { KubeObject, ResourceRef, WatchEvent } from '../types/index.ts';

export const CONFIG_MAPS: ResourceRef = { group: '', version: 'v1', resource: 'configmaps', namespaced: true };

export type FakeApiServer = {
  readonly url: string;
  /** Requests so far, as "METHOD path?query". */
  readonly requests: string[];
  readonly watchers: number;
  put(name: string, data: Record<string, string>): void;
  remove(name: string): void;
  /** Sends a frame to every watch. */
  send(event: unknown): void;
  /** Breaks every open watch. */
  cut(): void;
  /** Ends every open watch in good order. */
  finish(): void;
  /** Answers the next request with this status instead. */
  failNext(status: number, reason: string): void;
  close(): Promise<void>;
};

export async function startFakeApiServer(): Promise<FakeApiServer> {
  const objects = new Map<string, KubeObject>();
  const log: { version: number; event: WatchEvent }[] = [];
  const watches = new Set<ServerResponse>();
  const requests: string[] = [];
  const failures: { status: number; reason: string }[] = [];
  let version = 0;

  const record = (type: 'ADDED' | 'MODIFIED' | 'DELETED', object: KubeObject) => {
    const event: WatchEvent = { type, object };
    log.push({ version, event });
    for (const watch of watches) watch.write(`${JSON.stringify(event)}\n`);
  };
  const store = (object: KubeObject): KubeObject => {
    const old = objects.get(object.metadata.name);
    const metadata = { ...object.metadata, uid: old?.metadata.uid ?? `uid-${version}`, resourceVersion: String(++version) };
    const stored = { ...object, metadata };
    objects.set(metadata.name, stored);
    record(old ? 'MODIFIED' : 'ADDED', stored);
    return stored;
  };
  const answer = (response: ServerResponse, status: number, body: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const refuse = (response: ServerResponse, code: number, reason: string) =>
    answer(response, code, { apiVersion: 'v1', kind: 'Status', status: 'Failure', reason, message: `refused: ${reason}`, code });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    requests.push(`${request.method} ${request.url}`);
    const url = new URL(request.url ?? '/', 'http://x');
    const failure = failures.shift();
    if (failure) return refuse(response, failure.status, failure.reason);
    const name = /\/namespaces\/[^/]+\/[^/]+\/([^/]+)$/.exec(url.pathname)?.[1];
    if (url.searchParams.get('watch') === 'true') {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.flushHeaders();
      const from = Number(url.searchParams.get('resourceVersion'));
      for (const entry of log) if (entry.version > from) response.write(`${JSON.stringify(entry.event)}\n`);
      watches.add(response);
      response.on('close', () => watches.delete(response));
    } else if (request.method === 'GET' && name === undefined) {
      const all = [...objects.values()];
      const start = Number(url.searchParams.get('continue') ?? 0);
      const limit = Math.min(2, Number(url.searchParams.get('limit') ?? all.length));
      const next = start + limit < all.length && url.searchParams.has('limit') ? String(start + limit) : undefined;
      const items = (url.searchParams.has('limit') ? all.slice(start, start + limit) : all).map(
        ({ apiVersion: _, kind: __, ...rest }) => rest,
      );
      answer(response, 200, {
        apiVersion: 'v1',
        kind: 'ConfigMapList',
        metadata: { resourceVersion: String(version), continue: next },
        items,
      });
    } else if (request.method === 'GET') {
      const object = objects.get(name as string);
      if (object) answer(response, 200, object);
      else refuse(response, 404, 'NotFound');
    } else if (request.method === 'POST' || request.method === 'PUT') {
      const object = JSON.parse(await textOf(request)) as KubeObject;
      const old = objects.get(object.metadata.name);
      if (request.method === 'POST' && old) refuse(response, 409, 'AlreadyExists');
      else if (request.method === 'PUT' && old?.metadata.resourceVersion !== object.metadata.resourceVersion)
        refuse(response, 409, 'Conflict');
      else answer(response, 200, store(object));
    } else {
      answer(response, 200, {
        contentType: request.headers['content-type'],
        body: await textOf(request),
        authorization: request.headers.authorization,
      });
    }
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    get watchers() {
      return watches.size;
    },
    put: (name, data) =>
      void store({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...objects.get(name)?.metadata, name, namespace: 'default' }, data }),
    remove(name) {
      const object = objects.get(name);
      if (!object || !objects.delete(name)) return;
      record('DELETED', { ...object, metadata: { ...object.metadata, resourceVersion: String(++version) } });
    },
    send: (event) => watches.forEach((watch) => void watch.write(`${JSON.stringify(event)}\n`)),
    cut: () => watches.forEach((watch) => void watch.destroy()),
    finish: () => watches.forEach((watch) => void watch.end()),
    failNext: (status, reason) => void failures.push({ status, reason }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}
