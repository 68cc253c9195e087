// One ADS stream: its node, its subscriptions, and the responses it gets. The two protocol variants differ only in how a
// request is read and a response is written.

import { create } from '@bufbuild/protobuf';
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
  type DiscoveryRequest,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
  type Node,
} from '../messages/config.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE, isWholeSetType, PUSH_ORDER, type ResourceSet } from './resource.ts';
import {
  createSubscription,
  diff,
  receiveDelta,
  receiveSotw,
  recordSent,
  type Subscription,
  type Update,
  WILDCARD,
  watchedResources,
} from './subscription.ts';

/** What a client has of one type. */
export type TypeStatus = Readonly<
  Pick<Subscription, 'typeUrl' | 'isWildcard' | 'nonceSent' | 'nonceAcked' | 'versionSent' | 'versionAcked' | 'nack'>
> & {
  readonly resourceCount: number;
};

export type XdsClient = {
  /** Unique among the server's streams: node id and a number. */
  readonly id: string;
  readonly node: Node;
  readonly mode: 'sotw' | 'delta';
  readonly peer: string;
  /** Wall clock, milliseconds. */
  readonly connectedAtMs: number;
  readonly types: readonly TypeStatus[];
};

export type ConnectionEvent =
  | { type: 'ack'; typeUrl: string }
  | { type: 'nack'; typeUrl: string; message: string }
  | { type: 'push'; typeUrl: string; resourceCount: number; sizeBytes: number };

export type ConnectionOptions = {
  id: string;
  node: Node;
  peer: string;
  connectedAtMs: number;
  /** The version to write into responses. */
  version: () => string;
  resources: () => ResourceSet;
  onEvent: (event: ConnectionEvent) => void;
};

export type Connection<Request> = {
  readonly client: XdsClient;
  receive(request: Request): void;
  /** Sends what changed, in order. */
  push(): void;
};

type Answer = { subscription: Subscription; update: Update; nonce: string; version: string };

export function createSotwConnection(
  options: ConnectionOptions,
  write: (response: DiscoveryResponse) => void,
): Connection<DiscoveryRequest> {
  const send = ({ subscription, update, nonce, version }: Answer): void =>
    write(
      create(DiscoveryResponseSchema, {
        typeUrl: subscription.typeUrl,
        versionInfo: version,
        nonce,
        resources: update.changed.map(({ body }) => body),
      }),
    );
  const core = createCore(options, { mode: 'sotw', send });
  return {
    client: core.client,
    push: core.push,
    receive(request) {
      const subscription = core.subscription(request.typeUrl);
      const error = request.errorDetail?.message;
      core.reportAnswer(subscription, request.responseNonce, error);
      const wanted = receiveSotw(subscription, { resourceNames: request.resourceNames, responseNonce: request.responseNonce, error });
      if (wanted) core.answer(subscription, wanted);
    },
  };
}

export function createDeltaConnection(
  options: ConnectionOptions,
  write: (response: DeltaDiscoveryResponse) => void,
): Connection<DeltaDiscoveryRequest> {
  const send = ({ subscription, update, nonce, version }: Answer): void =>
    write(
      create(DeltaDiscoveryResponseSchema, {
        typeUrl: subscription.typeUrl,
        systemVersionInfo: version,
        nonce,
        resources: update.changed.map(({ name, version: own, body }) => ({ name, version: own, resource: body })),
        removedResources: update.removed,
      }),
    );
  const core = createCore(options, { mode: 'delta', send });
  return {
    client: core.client,
    push: core.push,
    receive(request) {
      const isFirst = !core.hasSubscription(request.typeUrl);
      const subscription = core.subscription(request.typeUrl);
      const error = request.errorDetail?.message;
      core.reportAnswer(subscription, request.responseNonce, error);
      const wanted = receiveDelta(
        subscription,
        {
          subscribe: request.resourceNamesSubscribe,
          unsubscribe: request.resourceNamesUnsubscribe,
          initialVersions: request.initialResourceVersions,
          responseNonce: request.responseNonce,
          error,
        },
        { isFirst },
      );
      if (wanted) core.answer(subscription, wanted);
    },
  };
}

type Variant = { mode: 'sotw' | 'delta'; send: (answer: Answer) => void };

function createCore(options: ConnectionOptions, { mode, send }: Variant) {
  const subscriptions = new Map<string, Subscription>();
  let nonces = 0;
  // Equal configuration is the same object, so that a push that concerns others costs nothing here.
  let lastPushed: ResourceSet | undefined;
  const deliver = (subscription: Subscription, update: Update): void => {
    nonces++;
    const answer = { subscription, update, nonce: `${nonces}-${options.version()}`, version: options.version() };
    recordSent(subscription, update, answer);
    options.onEvent({
      type: 'push',
      typeUrl: subscription.typeUrl,
      resourceCount: update.changed.length,
      sizeBytes: update.changed.reduce((sum, { body }) => sum + body.value.length, 0),
    });
    send(answer);
  };
  const client: XdsClient = {
    id: options.id,
    node: options.node,
    mode,
    peer: options.peer,
    connectedAtMs: options.connectedAtMs,
    get types() {
      return [...subscriptions.values()].map((one) => ({ ...one, resourceCount: one.sent.size }));
    },
  };
  return {
    client,
    hasSubscription: (typeUrl: string) => subscriptions.has(typeUrl),
    subscription(typeUrl: string): Subscription {
      const known = subscriptions.get(typeUrl) ?? createSubscription(typeUrl);
      subscriptions.set(typeUrl, known);
      return known;
    },
    reportAnswer(subscription: Subscription, nonce: string, error: string | undefined): void {
      if (nonce === '' || nonce !== subscription.nonceSent) return;
      if (error !== undefined) options.onEvent({ type: 'nack', typeUrl: subscription.typeUrl, message: error });
      else if (subscription.nonceAcked !== nonce) options.onEvent({ type: 'ack', typeUrl: subscription.typeUrl });
    },
    answer(subscription: Subscription, wanted: ReadonlySet<string>): void {
      const resources = options.resources().get(subscription.typeUrl) ?? new Map();
      if (mode === 'sotw') {
        const isWhole = wanted.has(WILDCARD);
        const changed = watchedResources(subscription, resources).filter(({ name }) => isWhole || wanted.has(name));
        // Nothing to say about names that do not exist (yet), except that a whole set may well be empty.
        if (changed.length > 0 || isWholeSetType(subscription.typeUrl)) deliver(subscription, { changed, removed: [] });
        return;
      }
      const update = diff(subscription, resources);
      const missing = [...wanted].filter((name) => name !== WILDCARD && !resources.has(name));
      deliver(subscription, { changed: update.changed, removed: [...new Set([...update.removed, ...missing])] });
    },
    push(): void {
      const resources = options.resources();
      if (resources === lastPushed) return;
      lastPushed = resources;
      let changedClusters: ReadonlySet<string> = new Set();
      const order = [...subscriptions.values()].sort((a, b) => rankOf(a.typeUrl) - rankOf(b.typeUrl));
      for (const subscription of order) {
        const ofType = resources.get(subscription.typeUrl) ?? new Map();
        // A client warms a changed cluster until it hears the endpoints anew.
        const forced = subscription.typeUrl === ENDPOINT_TYPE ? changedClusters : new Set<string>();
        const update = diff(subscription, ofType, forced);
        if (subscription.typeUrl === CLUSTER_TYPE) changedClusters = new Set(update.changed.map(({ name }) => name));
        if (update.changed.length === 0 && update.removed.length === 0) continue;
        if (mode === 'delta') deliver(subscription, update);
        else if (isWholeSetType(subscription.typeUrl))
          deliver(subscription, { changed: watchedResources(subscription, ofType), removed: update.removed });
        // State of the world cannot say that a route or an endpoint set is gone; what referred to it says so.
        else if (update.changed.length > 0) deliver(subscription, { changed: update.changed, removed: [] });
      }
    },
  };
}

const rankOf = (typeUrl: string): number => {
  const rank = PUSH_ORDER.indexOf(typeUrl);
  return rank < 0 ? PUSH_ORDER.length : rank;
};
