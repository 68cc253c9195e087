// Answers requests while the proxy takes load off itself.

import type { HttpFilter } from '../filters/filter.ts';
import type { OverloadState } from '../overload/overload.ts';

/** The first step of every request; does nothing unless requests are stopped. */
export function createOverloadGate(overload: OverloadState): HttpFilter {
  return {
    name: 'envoy.overload',
    onRequest(exchange) {
      if (!overload.stopsRequests) return 'continue';
      exchange.respond({ status: 503, body: 'envoy overloaded', details: 'overload', flag: 'OM' });
      return 'stop';
    },
  };
}
