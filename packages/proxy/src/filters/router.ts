// The last filter: decides the route and acts on it.

import type { Exchange } from '../http/exchange.ts';
import { formatText } from '../http/header-mutations.ts';
import type { FilterStep, HttpFilter } from './filter.ts';
import { RoutedRequest } from './routed-request.ts';

export function createRouterFilter(name: string, suppressEnvoyHeaders: boolean): HttpFilter {
  return {
    name,
    onRequest(exchange): FilterStep {
      route(exchange, suppressEnvoyHeaders);
      return 'stop';
    },
  };
}

function route(exchange: Exchange, suppressEnvoyHeaders: boolean): void {
  const decision = exchange.route();
  switch (decision.kind) {
    case 'not_found':
      return refuseUnrouted(exchange, decision.reason);
    case 'redirect':
      return exchange.respond({
        status: decision.status,
        details: 'direct_response',
        headers: [['location', decision.location(exchange)]],
      });
    case 'respond':
      return exchange.respond({ status: decision.status, body: formatText(decision.body, exchange), details: 'direct_response' });
    case 'forward':
      return new RoutedRequest(exchange, decision, suppressEnvoyHeaders).start();
  }
}

function refuseUnrouted(exchange: Exchange, reason: string): void {
  if (reason === 'tls_required') {
    const location = `https://${exchange.authority}${exchange.path}`;
    return exchange.respond({ status: 301, details: 'direct_response', headers: [['location', location]] });
  }
  if (reason === 'no_cluster_header') return exchange.respond({ status: 503, details: 'cluster_not_found', flag: 'NC' });
  exchange.respond({ status: 404, details: 'route_not_found', flag: 'NR' });
}
