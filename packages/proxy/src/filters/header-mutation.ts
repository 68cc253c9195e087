// Header operations as a filter of their own: the filter's, then what the route's levels add.

import type { Exchange } from '../http/exchange.ts';
import type { Head } from '../http/head.ts';
import { applyHeaderMutations, formatText } from '../http/header-mutations.ts';
import type { HttpFilterRuntime, MessageMutations, QueryMutation } from '../runtime/model.ts';
import type { FilterStep, HttpFilter } from './filter.ts';
import { overrideOf } from './override.ts';
import { StreamFilter } from './stream-filter.ts';

type Config = Extract<HttpFilterRuntime, { kind: 'header_mutation' }>;

export function createHeaderMutationFilter(config: Config): HttpFilter {
  return {
    name: config.name,
    onRequest(exchange): FilterStep {
      const all = mutationsOf(exchange, config);
      for (const { request } of all) applyHeaderMutations(exchange.head, request, exchange);
      for (const { query } of all) if (query.length > 0) exchange.path = withQuery(exchange, query);
      const trailers = all.filter((each) => each.requestTrailers.length > 0);
      if (trailers.length > 0) {
        exchange.addRequestTap({
          onRequestEnd(head) {
            if (head) for (const each of trailers) applyHeaderMutations(head, each.requestTrailers, exchange);
          },
        });
      }
      return 'continue';
    },
    onResponse(exchange, head) {
      const all = mutationsOf(exchange, config);
      for (const { response } of all) applyHeaderMutations(head, response, exchange);
      const trailers = all.filter((each) => each.responseTrailers.length > 0);
      if (trailers.length > 0) exchange.stream = new TrailerMutation(exchange, trailers);
    },
  };
}

function mutationsOf(exchange: Exchange, config: Config): readonly MessageMutations[] {
  const override = overrideOf(exchange, config.name);
  if (override?.kind !== 'header_mutation') return [config.mutations];
  return [config.mutations, ...(config.mostSpecificWins ? override.levels.toReversed() : override.levels)];
}

class TrailerMutation extends StreamFilter {
  private readonly exchange: Exchange;
  private readonly mutations: readonly MessageMutations[];

  constructor(exchange: Exchange, mutations: readonly MessageMutations[]) {
    super(exchange.stream);
    this.exchange = exchange;
    this.mutations = mutations;
  }

  override sendEnd(trailers: Head | undefined): void {
    if (trailers) for (const each of this.mutations) applyHeaderMutations(trailers, each.responseTrailers, this.exchange);
    super.sendEnd(trailers);
  }
}

/** As Envoy writes a query that it changes: sorted by name, each name with "=". */
function withQuery(exchange: Exchange, mutations: readonly QueryMutation[]): string {
  const { path } = exchange;
  const question = path.indexOf('?');
  const values = question < 0 ? new Map<string, string[]>() : queryValues(path.slice(question + 1));
  for (const mutation of mutations) {
    const { name } = mutation;
    if (mutation.kind === 'remove') {
      values.delete(name);
      continue;
    }
    const known = values.get(name);
    if (known ? mutation.action === 'add_if_absent' : mutation.action === 'overwrite_if_exists') continue;
    const value = escaped(formatText(mutation.value, exchange));
    values.set(name, known && mutation.action === 'append_if_exists_or_add' ? [...known, value] : [value]);
  }
  const pairs = [...values.keys()].sort().flatMap((name) => (values.get(name) ?? []).map((value) => `${name}=${value}`));
  const bare = question < 0 ? path : path.slice(0, question);
  return pairs.length === 0 ? bare : `${bare}?${pairs.join('&')}`;
}

/** By name, as they came: not decoded. */
function queryValues(query: string): Map<string, string[]> {
  const values = new Map<string, string[]>();
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = equals < 0 ? pair : pair.slice(0, equals);
    values.set(name, [...(values.get(name) ?? []), equals < 0 ? '' : pair.slice(equals + 1)]);
  }
  return values;
}

/** Texts for the wire are bytes, one a letter. */
const escaped = (bytes: string): string =>
  bytes.replace(/[^A-Za-z0-9\-._~]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
