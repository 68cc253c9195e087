// Header operations as a filter of their own: the filter's, then what the route adds.

import type { Exchange } from '../http/exchange.ts';
import { applyHeaderMutations } from '../http/header-mutations.ts';
import type { HttpFilterRuntime } from '../runtime/model.ts';
import type { FilterStep, HttpFilter } from './filter.ts';

type Config = Extract<HttpFilterRuntime, { kind: 'header_mutation' }>;

export function createHeaderMutationFilter(config: Config): HttpFilter {
  return {
    name: config.name,
    onRequest(exchange): FilterStep {
      applyHeaderMutations(exchange.head, config.request, exchange);
      const override = overrideOf(exchange, config.name);
      if (override) applyHeaderMutations(exchange.head, override.request, exchange);
      return 'continue';
    },
    onResponse(exchange, head) {
      applyHeaderMutations(head, config.response, exchange);
      const override = overrideOf(exchange, config.name);
      if (override) applyHeaderMutations(head, override.response, exchange);
    },
  };
}

function overrideOf(exchange: Exchange, name: string) {
  const decision = exchange.route();
  const override = decision.kind === 'not_found' ? undefined : decision.filterOverrides.get(name);
  return override?.kind === 'header_mutation' ? override : undefined;
}
