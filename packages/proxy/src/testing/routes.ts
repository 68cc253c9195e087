// Route tables for tests, from Envoy's JSON.

import assert from 'node:assert/strict';
import { createRegistry, fromJson, type JsonValue } from '@bufbuild/protobuf';
import {
  allowListedRoutesPredicate,
  FilterConfigSchema,
  headerMutationHttpFilter,
  omitCanaryHostsPredicate,
  omitHostMetadataPredicate,
  previousHostsRetryPredicate,
  RouteConfigurationSchema,
  safeCrossSchemePredicate,
  uriTemplateMatch,
  uriTemplateRewrite,
} from '@lateen/xds/messages/proxy';
import { compileRouteTable } from '../runtime/compile/compile.ts';
import type { RequestView, RouteDecision, RouteTable } from '../runtime/model.ts';

export const registry = createRegistry(
  allowListedRoutesPredicate.AllowListedRoutesConfigSchema,
  FilterConfigSchema,
  headerMutationHttpFilter.HeaderMutationPerRouteSchema,
  omitCanaryHostsPredicate.OmitCanaryHostsPredicateSchema,
  omitHostMetadataPredicate.OmitHostMetadataConfigSchema,
  previousHostsRetryPredicate.PreviousHostsPredicateSchema,
  safeCrossSchemePredicate.SafeCrossSchemeConfigSchema,
  uriTemplateMatch.UriTemplateMatchConfigSchema,
  uriTemplateRewrite.UriTemplateRewriteConfigSchema,
);

export const tableOf = (config: JsonValue): RouteTable => {
  const compiled = compileRouteTable(fromJson(RouteConfigurationSchema, config, { registry }));
  assert.ok(compiled.ok, compiled.ok ? '' : compiled.error.join('\n'));
  return compiled.value;
};

export type Request = { host?: string; path?: string; method?: string; scheme?: string; headers?: Record<string, string> };
export const viewOf = ({ host = 'a.test', path = '/', method = 'GET', scheme = 'http', headers = {} }: Request): RequestView => ({
  method,
  path,
  authority: host,
  scheme,
  header: (name) => headers[name],
  headerValues: (name) => (headers[name] === undefined ? [] : [headers[name]]),
});

const describe = (decision: RouteDecision, view: RequestView): string => {
  switch (decision.kind) {
    case 'forward':
      return decision.cluster;
    case 'redirect':
      return `${decision.status} ${decision.location(view)}`;
    case 'respond':
      return `${decision.status}`;
    case 'not_found':
      return decision.reason;
  }
};

/** Where a request goes: its cluster, redirect, status, or why nowhere. */
export const go = (table: RouteTable, request: Request, random = 0): string => {
  const view = viewOf(request);
  return describe(
    table.match(view, () => random),
    view,
  );
};

export const to = (cluster: string) => ({ route: { cluster } });

/** A table of one rule. */
export const one = (match: JsonValue, rest: object = to('yes')) =>
  tableOf({ virtualHosts: [{ name: 'v', domains: ['*'], routes: [{ match, ...rest }] }] });

export const extension = (name: string, fields: object) => ({
  name: 'x',
  typedConfig: { '@type': `type.googleapis.com/envoy.extensions.${name}`, ...fields },
});
export const TEMPLATE = (pathTemplate: string) => ({
  pathMatchPolicy: extension('path.match.uri_template.v3.UriTemplateMatchConfig', { pathTemplate }),
});
