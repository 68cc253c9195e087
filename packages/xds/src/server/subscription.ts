// What one client watches of one type, as a state machine without I/O. The rules are those of the xDS protocol
// (https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol): nonces, ACK and NACK, wildcards old and new.

import { type EncodedResource, isWholeSetType, type ResourcesOfType } from './resource.ts';

export const WILDCARD = '*';

export type Subscription = {
  readonly typeUrl: string;
  isWildcard: boolean;
  /** Whether the wildcard came from an empty first request: then any explicit name ends it. */
  isLegacyWildcard: boolean;
  names: Set<string>;
  /** What the client has, by name: the version last sent. */
  sent: Map<string, string>;
  nonceSent: string;
  nonceAcked: string;
  versionSent: string;
  versionAcked: string;
  /** Why the client refused the last response; it keeps what it had. */
  nack: { nonce: string; message: string } | undefined;
};

export type Update = { changed: EncodedResource[]; removed: string[] };

export function createSubscription(typeUrl: string): Subscription {
  return {
    typeUrl,
    isWildcard: false,
    isLegacyWildcard: false,
    names: new Set(),
    sent: new Map(),
    nonceSent: '',
    nonceAcked: '',
    versionSent: '',
    versionAcked: '',
    nack: undefined,
  };
}

export type SotwRequest = { resourceNames: readonly string[]; responseNonce: string; error: string | undefined };

/**
 * Takes a state-of-the-world request. Returns the names that need an answer now ("*" among them for the whole set), or
 * undefined when it was only an ACK, a NACK, or an answer to an older response.
 */
export function receiveSotw(subscription: Subscription, request: SotwRequest): Set<string> | undefined {
  const isFirst = subscription.nonceSent === '' && subscription.names.size === 0 && !subscription.isWildcard;
  // After a reconnect the first request carries the nonce of the former stream.
  if (!isFirst && request.responseNonce !== '' && request.responseNonce !== subscription.nonceSent) return undefined;
  if (!isFirst && request.responseNonce !== '') recordAnswer(subscription, request.error);
  const before = { names: subscription.names, isWildcard: subscription.isWildcard };
  subscribeSotw(subscription, request.resourceNames, { isFirst });
  const added = [...subscription.names].filter((name) => !before.names.has(name));
  for (const name of subscription.sent.keys()) if (!isWatched(subscription, name)) subscription.sent.delete(name);
  if (subscription.isWildcard && !before.isWildcard) return new Set([WILDCARD]);
  if (added.length === 0) return undefined;
  // Of a whole-set type nothing may be missing from an answer.
  return new Set(isWholeSetType(subscription.typeUrl) ? [WILDCARD] : added);
}

function subscribeSotw(subscription: Subscription, names: readonly string[], { isFirst }: { isFirst: boolean }): void {
  const explicit = names.filter((name) => name !== WILDCARD);
  if (names.length === 0 && isWholeSetType(subscription.typeUrl) && (isFirst || subscription.isLegacyWildcard)) {
    subscription.isWildcard = true;
    subscription.isLegacyWildcard = true;
  } else {
    subscription.isWildcard = names.includes(WILDCARD);
    subscription.isLegacyWildcard = false;
  }
  subscription.names = new Set(explicit);
}

export type DeltaRequest = {
  subscribe: readonly string[];
  unsubscribe: readonly string[];
  initialVersions: Readonly<Record<string, string>>;
  responseNonce: string;
  error: string | undefined;
};

/** Takes an incremental request. Returns the names that need an answer now, or undefined. */
export function receiveDelta(
  subscription: Subscription,
  request: DeltaRequest,
  { isFirst }: { isFirst: boolean },
): Set<string> | undefined {
  if (request.responseNonce !== '' && request.responseNonce === subscription.nonceSent) recordAnswer(subscription, request.error);
  if (isFirst) {
    for (const [name, version] of Object.entries(request.initialVersions)) subscription.sent.set(name, version);
    if (request.subscribe.length === 0 && isWholeSetType(subscription.typeUrl)) {
      subscription.isWildcard = true;
      subscription.isLegacyWildcard = true;
      return new Set([WILDCARD]);
    }
  }
  for (const name of request.unsubscribe) {
    if (name === WILDCARD) subscription.isWildcard = false;
    subscription.names.delete(name);
    if (!isWatched(subscription, name)) subscription.sent.delete(name);
  }
  for (const name of request.subscribe) {
    if (name === WILDCARD) subscription.isWildcard = true;
    else {
      subscription.names.add(name);
      // Subscribing again asks for the resource again, even if it has not changed. On a new stream the client says what it has.
      if (!isFirst) subscription.sent.delete(name);
    }
  }
  return request.subscribe.length > 0 ? new Set(request.subscribe) : undefined;
}

function recordAnswer(subscription: Subscription, error: string | undefined): void {
  if (error !== undefined) {
    subscription.nack = { nonce: subscription.nonceSent, message: error };
    return;
  }
  subscription.nack = undefined;
  subscription.nonceAcked = subscription.nonceSent;
  subscription.versionAcked = subscription.versionSent;
}

const isWatched = (subscription: Subscription, name: string): boolean => subscription.isWildcard || subscription.names.has(name);

/** What has changed for this client since the last response, plus `forced` names whatever their version. */
export function diff(subscription: Subscription, resources: ResourcesOfType, forced: ReadonlySet<string> = new Set()): Update {
  const changed: EncodedResource[] = [];
  const consider = (resource: EncodedResource | undefined): void => {
    if (resource && (forced.has(resource.name) || subscription.sent.get(resource.name) !== resource.version)) changed.push(resource);
  };
  if (subscription.isWildcard) for (const resource of resources.values()) consider(resource);
  else for (const name of subscription.names) consider(resources.get(name));
  return { changed, removed: [...subscription.sent.keys()].filter((name) => !resources.has(name)) };
}

/** Every watched resource. */
export function watchedResources(subscription: Subscription, resources: ResourcesOfType): EncodedResource[] {
  if (subscription.isWildcard) return [...resources.values()];
  return [...subscription.names].map((name) => resources.get(name)).filter((resource) => resource !== undefined);
}

/** Remembers a response about to be written. */
export function recordSent(subscription: Subscription, update: Update, { nonce, version }: { nonce: string; version: string }): void {
  for (const { name, version: own } of update.changed) subscription.sent.set(name, own);
  for (const name of update.removed) subscription.sent.delete(name);
  subscription.nonceSent = nonce;
  subscription.versionSent = version;
}
