import type { Exchange } from '../http/exchange.ts';
import type { HttpFilterOverride } from '../runtime/model.ts';

/** What the request's route says of a filter. */
export function overrideOf(exchange: Exchange, name: string): HttpFilterOverride | undefined {
  const decision = exchange.route();
  return decision.kind === 'not_found' ? decision.virtualHost?.filterOverrides.get(name) : decision.filterOverrides.get(name);
}
