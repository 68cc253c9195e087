// The last filter: decides the route and acts on it.

import type { Exchange } from '../http/exchange.ts';
import { ownLocation } from '../runtime/compile/redirect.ts';
import type { ForwardDecision, RouterConfig } from '../runtime/model.ts';
import type { FilterStep, HttpFilter } from './filter.ts';
import { RoutedRequest } from './routed-request.ts';

export function createRouterFilter(name: string, config: RouterConfig): HttpFilter {
  return {
    name,
    onRequest(exchange): FilterStep {
      route(exchange, config);
      return 'stop';
    },
  };
}

function route(exchange: Exchange, config: RouterConfig): void {
  const decision = exchange.route();
  switch (decision.kind) {
    case 'not_found':
      return refuseUnrouted(exchange, decision.reason);
    case 'redirect':
      return exchange.respond({
        status: decision.status,
        details: 'direct_response',
        headers: [['location', decision.location(exchange)]],
        mutations: decision.responseHeaders,
      });
    case 'respond':
      return exchange.respond({
        status: decision.status,
        body: decision.body,
        bodyFormat: decision.bodyFormat,
        details: 'direct_response',
        headers: pointsElsewhere(decision.status) ? [['location', ownLocation(exchange)]] : [],
        mutations: decision.responseHeaders,
      });
    case 'forward':
      if (decision.virtualHost.virtualClusters.length > 0) chooseVirtualCluster(exchange, decision);
      return new RoutedRequest(exchange, decision, config).start();
  }
}

function chooseVirtualCluster(exchange: Exchange, { virtualHost }: ForwardDecision): void {
  exchange.virtualCluster = virtualHost.virtualClusters.find((each) => each.matches(exchange))?.name;
}

// As Envoy: a direct response of these kinds points to where the request went.
const pointsElsewhere = (status: number): boolean => status === 201 || (status >= 300 && status < 400);

function refuseUnrouted(exchange: Exchange, reason: string): void {
  if (reason === 'tls_required') {
    const location = `https://${exchange.authority}${exchange.path}`;
    return exchange.respond({ status: 301, details: 'direct_response', headers: [['location', location]] });
  }
  if (reason === 'no_cluster_header') return exchange.respond({ status: 503, details: 'cluster_not_found', flag: 'NC' });
  exchange.respond({ status: 404, details: 'route_not_found', flag: 'NR' });
}
