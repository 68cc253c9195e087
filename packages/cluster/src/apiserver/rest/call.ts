// One resource request with everything its verb needs.

import type { Clock, Logger } from '@lateen/base';
import type { KubeObject } from '@lateen/kube/types';
import type { Store, StoreKey } from '../../store/index.ts';
import type { Admission } from '../admission/admission.ts';
import type { ApiRequest } from '../http/exchange.ts';
import type { Registry } from '../registry/registry.ts';
import type { Resource } from '../registry/resource.ts';
import { badRequest } from '../status.ts';

/** What all requests share. */
export type Core = {
  store: Store;
  registry: Registry;
  clock: Clock;
  logger: Logger;
  admission: Admission;
  /** Random lower-case letters and digits for generated names. */
  randomSuffix(length: number): string;
  newUid(): string;
};

export type Call = {
  core: Core;
  request: ApiRequest;
  resource: Resource;
  /** Undefined for cluster-scoped resources and requests over all namespaces. */
  namespace: string | undefined;
  name: string | undefined;
  subresource: string | undefined;
  options: CallOptions;
  /** Sent as `Warning:` headers. */
  warnings: string[];
};

export type CallOptions = {
  dryRun: boolean;
  fieldManager: string;
  fieldValidation: 'Strict' | 'Warn' | 'Ignore';
  force: boolean;
};

/** Reads the query parameters that every write takes. @throws ApiError 400 */
export function callOptions(request: ApiRequest): CallOptions {
  const { query, headers } = request;
  const dryRun = query.getAll('dryRun');
  if (dryRun.some((value) => value !== 'All' && value !== ''))
    throw badRequest(`Invalid value for dryRun: ${dryRun.join(',')}; only "All" is supported`);
  const validation = query.get('fieldValidation') || 'Warn';
  if (validation !== 'Strict' && validation !== 'Warn' && validation !== 'Ignore') {
    throw badRequest(`fieldValidation: Unsupported value: "${validation}": supported values: "Ignore", "Warn", "Strict"`);
  }
  const agent = (headers['user-agent'] ?? '').split('/')[0] ?? '';
  return {
    dryRun: dryRun.includes('All'),
    fieldManager: query.get('fieldManager') || agent.slice(0, 128) || 'unknown',
    fieldValidation: validation,
    force: query.get('force') === 'true',
  };
}

export const keyOf = (resource: Resource, namespace: string | undefined, name: string): StoreKey => ({
  resource: resource.storage,
  namespace: resource.namespaced ? (namespace ?? '') : '',
  name,
});

/** RFC 3339 with seconds, as all timestamps of the API. */
export const timestamp = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** A copy that may be changed. */
export const clone = (object: KubeObject): KubeObject => structuredClone(object);
