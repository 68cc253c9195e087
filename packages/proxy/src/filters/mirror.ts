// Shadow traffic: a copy of a complete request goes to another cluster, and nobody waits for or sees its answer.

import { networkInterfaces } from 'node:os';
import type { Exchange } from '../http/exchange.ts';
import type { Head } from '../http/head.ts';
import { applyHeaderMutations } from '../http/header-mutations.ts';
import type { ClientStream, ClientStreamHandler } from '../http/stream.ts';
import { Timeout } from '../io/timer-wheel.ts';
import { redirectedTo } from '../listener/connection-info.ts';
import { type MirrorRuntime, selects } from '../runtime/model.ts';
import type { PoolUser } from '../upstream/http-pool.ts';
import type { StatusCounts } from '../upstream/status-counts.ts';
import type { ReplayBuffer } from './replay-buffer.ts';

const MIRROR_TIMEOUT_MS = 15_000;

/** Sends the copies that chance selects. A body too large to be kept is not mirrored. */
export function sendMirrors(exchange: Exchange, mirrors: readonly MirrorRuntime[], body: ReplayBuffer | undefined): void {
  if (body?.overflowed || exchange.upgrade !== '') return;
  const { proxy } = exchange.context;
  for (const mirror of mirrors) {
    if (!selects(mirror.share, exchange, proxy.random)) continue;
    const cluster = proxy.clusters.get(mirror.clusterHeader ? (exchange.headerValues(mirror.clusterHeader)[0] ?? '') : mirror.cluster);
    const { decision, connection } = exchange;
    const metadataMatch = decision?.kind === 'forward' ? decision.metadataMatch : undefined;
    const host = cluster?.pick(redirectedTo(connection), { metadataMatch });
    if (!cluster || !host) continue;
    const head = exchange.head.clone();
    if (mirror.hostRewrite !== undefined) head.set('host', mirror.hostRewrite);
    else if (mirror.appendShadowSuffix) head.set('host', shadowed(exchange.authority));
    markInternal(head);
    applyHeaderMutations(head, mirror.requestHeaders, exchange);
    const { method, path, requestTrailers: trailers } = exchange;
    const copy = new MirrorRequest({ method, path, head, body: body?.bytes, trailers }, cluster.stats.internal);
    const timeout = new Timeout(() => copy.cancel());
    proxy.timeouts.arm(timeout, MIRROR_TIMEOUT_MS);
    copy.onDone = () => timeout.cancel();
    cluster.poolOf(host, { protocol: exchange.protocol, connection }).acquire(copy, cluster.breakers.default);
  }
}

let ownAddress: string | undefined;

/** Copies come from this proxy itself: they say so as Envoy's do. */
function markInternal(head: Head): void {
  ownAddress ??=
    Object.values(networkInterfaces())
      .flat()
      .find((one) => one?.family === 'IPv4' && !one.internal)?.address ?? '127.0.0.1';
  const told = head.value('x-forwarded-for');
  head.set('x-envoy-internal', 'true');
  head.set('x-forwarded-for', told === undefined ? ownAddress : `${told},${ownAddress}`);
}

function shadowed(authority: string): string {
  const colon = authority.lastIndexOf(':');
  if (colon <= authority.lastIndexOf(']')) return `${authority}-shadow`;
  return `${authority.slice(0, colon)}-shadow${authority.slice(colon)}`;
}

type Message = { method: string; path: string; head: Head; body: Buffer | undefined; trailers: Head | undefined };

class MirrorRequest implements PoolUser, ClientStreamHandler {
  private readonly message: Message;
  private readonly answers: StatusCounts;
  private client: ClientStream | undefined;
  onDone: () => void = () => {};

  constructor(message: Message, answers: StatusCounts) {
    this.message = message;
    this.answers = answers;
  }

  onPoolReady(client: ClientStream): void {
    const { method, path, head, body, trailers } = this.message;
    this.client = client;
    client.attach(this);
    client.sendHead({ method, path }, head, '', { first: body, end: trailers === undefined });
    if (trailers) client.sendEnd(trailers);
  }

  cancel(): void {
    this.client?.cancel();
    this.client = undefined;
  }

  onResponseHead(head: Head, _first: Buffer | undefined, end: boolean): void {
    this.answers.count(head.status);
    if (end) this.onResponseEnd();
  }

  onResponseEnd(): void {
    this.client = undefined;
    this.onDone();
  }

  onUpstreamReset(): void {
    this.answers.count(503);
    this.onResponseEnd();
  }

  onPoolFailure(): void {
    this.answers.count(503);
    this.onDone();
  }

  onInformational(): void {}
  onUpgraded(): void {}
  onResponseData(): void {}
  onRequestDrain(): void {}
}
