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

function withQuery(exchange: Exchange, mutations: readonly QueryMutation[]): string {
  const { path } = exchange;
  const question = path.indexOf('?');
  const pairs =
    question < 0
      ? []
      : path
          .slice(question + 1)
          .split('&')
          .filter((pair) => pair !== '');
  const nameOf = (pair: string) => pair.split('=', 1)[0] as string;
  let result = pairs;
  for (const mutation of mutations) {
    const { name } = mutation;
    if (mutation.kind === 'remove') {
      result = result.filter((pair) => nameOf(pair) !== name);
      continue;
    }
    const pair = `${name}=${encodeURIComponent(formatText(mutation.value, exchange))}`;
    const at = result.findIndex((each) => nameOf(each) === name);
    switch (mutation.action) {
      case 'append_if_exists_or_add':
        result = [...result, pair];
        break;
      case 'add_if_absent':
        if (at < 0) result = [...result, pair];
        break;
      default:
        if (at < 0 && mutation.action === 'overwrite_if_exists') break;
        result = [...result.filter((each) => nameOf(each) !== name), pair];
    }
  }
  const bare = question < 0 ? path : path.slice(0, question);
  return result.length === 0 ? bare : `${bare}?${result.join('&')}`;
}
