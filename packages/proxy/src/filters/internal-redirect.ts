// Redirects that the proxy follows itself: the request is turned into one for the new location and routed again.

import { isAuthority } from '../http/authority.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Head } from '../http/head.ts';
import { wireText } from '../http/head.ts';
import type { ForwardDecision, RouteRuntime } from '../runtime/model.ts';

const STATE = 'lateen.internal_redirect';
type State = { count: number; readonly visited: Set<RouteRuntime> };

const LOCATION = /^(https?):\/\/([^/?#]+)([^#]*)/i;

/**
 * Turns the exchange into a request for where `head` points and decides its route anew; false leaves it as it was, and the answer
 * goes to the client. The caller has checked the status and that the whole request can be sent again.
 */
export function followRedirect(exchange: Exchange, decision: ForwardDecision, head: Head): boolean {
  const policy = decision.action.internalRedirect;
  const state = exchange.getState<State>(STATE) ?? { count: 0, visited: new Set() };
  const target = LOCATION.exec(head.value('location') ?? '');
  if (!policy || !target) return failed(exchange, 'bad_location');
  const scheme = (target[1] as string).toLowerCase();
  const authority = target[2] as string;
  if (!isAuthority(authority)) return failed(exchange, 'bad_location');
  const downstreamScheme = exchange.connection.transportProtocol === 'tls' ? 'https' : 'http';
  if (!policy.allowCrossScheme && scheme !== downstreamScheme) return failed(exchange, 'unsafe_scheme');
  if (state.count >= policy.maxRedirects) return failed(exchange, 'too_many_redirects');
  const { method } = exchange;
  const before = { path: exchange.path, authority: exchange.authority, scheme: exchange.scheme };
  const rest = target[3] as string;
  Object.assign(exchange, { path: rest.startsWith('/') ? rest : `/${rest}`, authority, scheme });
  exchange.decision = undefined;
  const next = exchange.route();
  const visited = new Set([...state.visited, decision.route]);
  const isAllowed =
    next.route !== undefined &&
    policy.predicates.every((holds) => holds({ route: next.route, visited, downstreamScheme, targetScheme: scheme }));
  if (!isAllowed) {
    Object.assign(exchange, before);
    exchange.decision = decision;
    return failed(exchange, next.route ? 'predicate' : 'no_route');
  }
  exchange.setState(STATE, { count: state.count + 1, visited } satisfies State);
  rewriteHead(exchange, { response: head, copies: policy.copyResponseHeaders, originalUrl: urlOf(before) });
  reportHop(exchange, head, exchange.method === method);
  exchange.context.observer.count?.(`cluster.${exchange.cluster?.statName}.upstream_internal_redirect_succeeded_total`);
  return true;
}

/** Each hop is a request of its own to logs and counters, as in Envoy. */
function reportHop(exchange: Exchange, head: Head, sendsBodyAgain: boolean): void {
  const { observer, proxy } = exchange.context;
  const next = exchange.decision?.kind === 'forward' ? proxy.clusters.get(exchange.decision.cluster)?.runtime : undefined;
  const { bytesReceived } = exchange;
  exchange.cluster = next;
  exchange.responseCode = head.status;
  exchange.responseCodeDetails = 'internal_redirect';
  exchange.durationMs = exchange.elapsedMs();
  observer.finish(exchange);
  observer.requestStarted();
  // What is sent again is counted again.
  exchange.bytesReceived = sendsBodyAgain ? 2 * bytesReceived : bytesReceived;
  exchange.responseCode = 0;
  exchange.responseCodeDetails = '';
  exchange.upstreamAttemptCount = 0;
}

function failed(exchange: Exchange, why: string): false {
  const { observer, hcm } = exchange.context;
  observer.count?.(`cluster.${exchange.cluster?.statName}.upstream_internal_redirect_failed_total`);
  observer.count?.(`http.${hcm.statPrefix}.passthrough_internal_redirect_${why}`);
  return false;
}

const urlOf = ({ scheme, authority, path }: { scheme: string; authority: string; path: string }): string =>
  `${scheme}://${authority}${path}`;

type Change = { response: Head; copies: readonly string[]; originalUrl: string };

function rewriteHead(exchange: Exchange, { response, copies, originalUrl }: Change): void {
  const { head } = exchange;
  for (const name of copies) {
    const value = response.value(name);
    if (value === undefined) head.remove(name);
    else head.set(name, value);
  }
  // RFC 9110 15.4.4: what was asked for is to be fetched.
  if (response.status === 303 && exchange.method !== 'GET' && exchange.method !== 'HEAD') {
    exchange.method = 'GET';
    for (const name of ['content-length', 'transfer-encoding', 'content-type']) head.remove(name);
  }
  head.set('host', exchange.authority);
  head.set('x-envoy-original-url', wireText(originalUrl));
}
