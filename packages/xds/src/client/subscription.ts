// What one resource type's subscription says next: pure state machines for both variants of the protocol. They hold no timer
// and no stream; the client feeds responses in and sends what comes out.
// https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol

import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import {
  type DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  type DiscoveryRequestSchema,
  type DiscoveryResponse,
  ResourceSchema,
} from '../messages/config.ts';

/**
 * What a response changes. `changed` has every resource of the response. `removed` may have names that were never known: the
 * incremental protocol says so of what was asked for and does not exist.
 */
export type ResourceUpdate = {
  readonly typeUrl: string;
  readonly version: string;
  readonly changed: ReadonlyMap<string, { readonly resource: Any; readonly version: string }>;
  readonly removed: readonly string[];
};

/** Names asked for; `*` asks for all there are. */
export type Wanted = '*' | ReadonlySet<string>;

export type Subscription<Request, Response> = {
  /** The first request on a new stream; undefined when nothing is wanted. Forgets the nonce, keeps what was accepted. */
  start(): Request | undefined;
  /** Changes what is wanted; undefined when nothing has to be said. */
  want(wanted: Wanted): Request | undefined;
  /** Reads a response; says nothing yet and changes nothing but the nonce. Unreadable resources throw. */
  receive(response: Response): ResourceUpdate;
  /** The update is in force: ACK. */
  accept(update: ResourceUpdate): Request;
  /** The update was refused as a whole: NACK with the reasons. */
  reject(reasons: readonly string[]): Request;
  /** Names and versions in force. */
  readonly accepted: ReadonlyMap<string, string>;
};

export type SubscriptionOptions = {
  typeUrl: string;
  /** State of the world only: absence from a response means removal (listeners and clusters). */
  isFullState: boolean;
  /** State of the world only: the name inside a resource. */
  nameOf: (resource: Any) => string;
};

export type SotwRequest = MessageInitShape<typeof DiscoveryRequestSchema>;
export type DeltaRequest = MessageInitShape<typeof DeltaDiscoveryRequestSchema>;

/** google.rpc.Code.INVALID_ARGUMENT */
const INVALID_ARGUMENT = 3;
// A NACK is read by people and logged by servers; grpc metadata is not involved, so only sanity limits it.
const MAX_REASON_LENGTH = 16 * 1024;
const errorDetailOf = (reasons: readonly string[]) => ({ code: INVALID_ARGUMENT, message: reasons.join('; ').slice(0, MAX_REASON_LENGTH) });

const asksForSomething = (wanted: Wanted): boolean => wanted === '*' || wanted.size > 0;
const namesOf = (wanted: Wanted): string[] => (wanted === '*' ? [] : [...wanted].sort());

export function createSotwSubscription(options: SubscriptionOptions): Subscription<SotwRequest, DiscoveryResponse> {
  const { typeUrl, isFullState, nameOf } = options;
  const accepted = new Map<string, string>();
  let wanted: Wanted = new Set();
  let version = '';
  let nonce = '';
  let hasStarted = false;
  const request = () => ({ typeUrl, versionInfo: version, resourceNames: namesOf(wanted), responseNonce: nonce });
  return {
    accepted,
    start() {
      nonce = '';
      hasStarted = asksForSomething(wanted);
      return hasStarted ? request() : undefined;
    },
    want(next) {
      if (sameWanted(wanted, next)) return undefined;
      wanted = next;
      if (next !== '*') for (const name of accepted.keys()) if (!next.has(name)) accepted.delete(name);
      // An empty list before anything was asked would mean "all".
      if (!hasStarted && !asksForSomething(wanted)) return undefined;
      hasStarted = true;
      return request();
    },
    receive(response) {
      nonce = response.nonce;
      const changed: Changed = new Map();
      const living = new Set<string>();
      for (const any of response.resources) {
        const { resource, name } = unwrap(any);
        if (resource) addOnce(changed, name || nameOf(resource), { resource, version: response.versionInfo });
        else living.add(name);
      }
      const removed = isFullState ? [...accepted.keys()].filter((name) => !changed.has(name) && !living.has(name)) : [];
      return { typeUrl, version: response.versionInfo, changed, removed };
    },
    accept(update) {
      version = update.version;
      commit(accepted, update);
      return request();
    },
    reject: (reasons) => ({ ...request(), errorDetail: errorDetailOf(reasons) }),
  };
}

export function createDeltaSubscription({
  typeUrl,
}: Pick<SubscriptionOptions, 'typeUrl'>): Subscription<DeltaRequest, DeltaDiscoveryResponse> {
  const accepted = new Map<string, string>();
  let wanted: Wanted = new Set();
  let nonce = '';
  return {
    accepted,
    start() {
      nonce = '';
      if (!asksForSomething(wanted)) return undefined;
      return { typeUrl, resourceNamesSubscribe: namesOf(wanted), initialResourceVersions: Object.fromEntries(accepted) };
    },
    want(next) {
      if (sameWanted(wanted, next)) return undefined;
      const before = new Set(namesOf(wanted));
      const after = new Set(namesOf(next));
      const unsubscribe = [...before].filter((name) => !after.has(name));
      wanted = next;
      for (const name of unsubscribe) accepted.delete(name);
      return {
        typeUrl,
        resourceNamesSubscribe: next === '*' ? ['*'] : [...after].filter((name) => !before.has(name)),
        resourceNamesUnsubscribe: unsubscribe,
      };
    },
    receive(response) {
      nonce = response.nonce;
      const changed: Changed = new Map();
      for (const { name, resource, version } of response.resources) if (resource) addOnce(changed, name, { resource, version });
      const twice = response.removedResources.find((name) => changed.has(name));
      if (twice !== undefined) throw new Error(`resource ${JSON.stringify(twice)} is both there and removed`);
      return {
        typeUrl,
        version: response.systemVersionInfo,
        changed,
        removed: response.removedResources,
      };
    },
    accept(update) {
      commit(accepted, update);
      return { typeUrl, responseNonce: nonce };
    },
    reject: (reasons) => ({ typeUrl, responseNonce: nonce, errorDetail: errorDetailOf(reasons) }),
  };
}

type Changed = Map<string, { resource: Any; version: string }>;

function addOnce(changed: Changed, name: string, value: { resource: Any; version: string }): void {
  if (changed.has(name)) throw new Error(`resource ${JSON.stringify(name)} is there twice`);
  changed.set(name, value);
}

/** State of the world only: a resource may come in an envelope that names it. Without a content it only says that the resource lives on. */
function unwrap(any: Any): { resource?: Any | undefined; name: string } {
  return anyUnpack(any, ResourceSchema) ?? { resource: any, name: '' };
}

function commit(accepted: Map<string, string>, update: ResourceUpdate): void {
  for (const [name, { version }] of update.changed) accepted.set(name, version);
  for (const name of update.removed) accepted.delete(name);
}

function sameWanted(a: Wanted, b: Wanted): boolean {
  if (a === '*' || b === '*') return a === b;
  return a.size === b.size && [...a].every((name) => b.has(name));
}
