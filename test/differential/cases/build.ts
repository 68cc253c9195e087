// Short words for what every table writes.

import { type } from '../bootstrap.ts';
import type { Case, Request } from '../model.ts';

/** A route: its match, and where requests go. */
export const to = (match: object, cluster: string, action: object = {}, route: object = {}) => ({
  match,
  route: { cluster, ...action },
  ...route,
});

/** A route that answers by itself. */
export const says = (match: object, status: number, text?: string, route: object = {}) => ({
  match,
  direct_response: { status, ...(text !== undefined && { body: { inline_string: text } }) },
  ...route,
});

export const prefix = (value: string, more: object = {}) => ({ prefix: value, ...more });
export const exact = (value: string, more: object = {}) => ({ path: value, ...more });
export const ANY = { prefix: '/' };

/** A GET of a path. */
export const get = (path: string, request: Request = {}, more: Partial<Case> = {}): Case => ({
  name: describe(request.method ?? 'GET', path, request),
  request: { path, ...request },
  ...more,
});

/** A named case. */
export const ask = (name: string, request: Request, more: Partial<Case> = {}): Case => ({ name, request, ...more });

/** The request of a gRPC call without a message. */
export const GRPC = { method: 'POST', body: '', headers: { 'content-type': 'application/grpc' } } satisfies Request;

/** A named case of raw bytes. */
export const raw = (name: string, bytes: string | readonly string[], more: Partial<Case> & { answers?: number } = {}): Case => {
  const { answers, ...others } = more;
  return { name, request: { raw: [bytes].flat() as string[], ...(answers !== undefined && { answers }) }, ...others };
};

/** An HTTP filter before the router. */
export const filter = (name: string, fields: object, kind: string) => ({
  name: `envoy.filters.http.${name}`,
  typed_config: { '@type': type(`filters.http.${name}.v3.${kind}`), ...fields },
});

/** Per-filter configuration of a route, virtual host or weighted cluster. */
export const perFilter = (name: string, kind: string, fields: object) => ({
  typed_per_filter_config: { [`envoy.filters.http.${name}`]: { '@type': type(`filters.http.${name}.v3.${kind}`), ...fields } },
});

export const header = (name: string, stringMatch: object) => ({ name, string_match: stringMatch });
export const add = (key: string, value: string, more: object = {}) => ({ header: { key, value }, ...more });

function describe(method: string, path: string, { host, headers }: Request): string {
  const shown = Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${[value].flat().join(' + ')}`);
  return [method, host && `//${host}`, path, ...shown.map((one) => `[${one}]`)].filter(Boolean).join(' ');
}
