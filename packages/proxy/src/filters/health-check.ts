// Answers the health checks of load balancers in front of the proxy.

import type { HttpFilterRuntime } from '../runtime/model.ts';
import type { HttpFilter } from './filter.ts';

type Config = Extract<HttpFilterRuntime, { kind: 'health_check' }>;

export function createHealthCheckFilter(config: Config): HttpFilter {
  return {
    name: config.name,
    onRequest(exchange) {
      if (config.passThrough || !config.matches(exchange)) return 'continue';
      const status = exchange.context.isDraining() ? 503 : 200;
      exchange.respond({ status, details: 'health_check_ok' });
      return 'stop';
    },
  };
}
