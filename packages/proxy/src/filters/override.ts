import type { Exchange } from '../http/exchange.ts';
import type { HttpFilterOverride } from '../runtime/model.ts';

/** What the request's route says of a filter. As in Envoy, a virtual host is not heard where none of its routes takes the request. */
export function overrideOf(exchange: Exchange, name: string): HttpFilterOverride | undefined {
  const decision = exchange.route();
  return decision.kind === 'not_found' ? undefined : decision.filterOverrides.get(name);
}
