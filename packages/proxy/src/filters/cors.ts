// Cross-origin resource sharing by the route's policy: answers preflights, marks answers to actual requests.

import type { Exchange } from '../http/exchange.ts';
import type { Head } from '../http/head.ts';
import { type CorsRuntime, selects } from '../runtime/model.ts';
import type { FilterStep, HttpFilter } from './filter.ts';
import { overrideOf } from './override.ts';

type Granted = { origin: string; policy: CorsRuntime };

export function createCorsFilter(name: string): HttpFilter {
  return {
    name,
    onRequest(exchange): FilterStep {
      const origin = exchange.head.value('origin');
      const policy = origin ? policyOf(exchange, name) : undefined;
      if (!origin || !policy) return 'continue';
      const { random } = exchange.context.proxy;
      const isEnabled = selects(policy.enabled, exchange, random);
      const allowed = policy.allowsOrigin?.(origin) ?? false;
      if (isEnabled || selects(policy.shadow, exchange, random)) countOrigin(exchange, allowed);
      if (!isEnabled) return 'continue';
      const isPreflight = exchange.method === 'OPTIONS' && !!exchange.head.value('access-control-request-method');
      if (!isPreflight) {
        if (allowed) exchange.setState(name, { origin, policy } satisfies Granted);
        return 'continue';
      }
      if (!allowed && (policy.forwardNotMatchingPreflights ?? true)) return 'continue';
      exchange.respond({ status: 200, details: 'cors_response', headers: allowed ? preflightHeaders(exchange, { origin, policy }) : [] });
      return 'stop';
    },
    onResponse(exchange, head) {
      const granted = exchange.getState<Granted>(name);
      if (granted) markResponse(head, granted);
    },
  };
}

function countOrigin({ context }: Exchange, isValid: boolean): void {
  context.observer.count?.(`http.${context.hcm.statPrefix}.cors.origin_${isValid ? 'valid' : 'invalid'}`);
}

function policyOf(exchange: Exchange, name: string): CorsRuntime | undefined {
  const decision = exchange.route();
  if (decision.kind !== 'forward') return undefined;
  const override = overrideOf(exchange, name);
  return override?.kind === 'cors' ? override.cors : decision.action.cors;
}

function preflightHeaders(exchange: Exchange, { origin, policy }: Granted): [string, string][] {
  const headers: [string, string][] = [['access-control-allow-origin', origin]];
  if (policy.allowCredentials) headers.push(['access-control-allow-credentials', 'true']);
  if (policy.allowMethods !== '') headers.push(['access-control-allow-methods', policy.allowMethods]);
  if (policy.allowHeaders !== '') headers.push(['access-control-allow-headers', policy.allowHeaders]);
  if (policy.exposeHeaders !== '') headers.push(['access-control-expose-headers', policy.exposeHeaders]);
  if (policy.maxAge !== '') headers.push(['access-control-max-age', policy.maxAge]);
  const asksPrivate = exchange.head.value('access-control-request-private-network') === 'true';
  if (policy.allowPrivateNetworkAccess && asksPrivate) headers.push(['access-control-allow-private-network', 'true']);
  return headers;
}

function markResponse(head: Head, { origin, policy }: Granted): void {
  head.set('access-control-allow-origin', origin);
  if (policy.allowCredentials) head.set('access-control-allow-credentials', 'true');
  if (policy.exposeHeaders !== '') head.set('access-control-expose-headers', policy.exposeHeaders);
}
