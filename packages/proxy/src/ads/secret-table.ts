// The secrets that listeners and clusters name, by key. A bad one is left out and counted: its predecessor serves on, and so does
// everything else.

import { fail, messageOf, ok, type Result } from '@lateen/base';
import type { Secret } from '@lateen/xds/messages/proxy';
import type { ClusterRuntime, CommonTls, ListenerRuntime, SecretPlan, SecretRef, SecretRuntime } from '../runtime/index.ts';
import { secretProblem } from '../tls/check-secret.ts';
import type { DataReader } from '../tls/local-data.ts';

export type NamedSecret = Extract<SecretRef, { kind: 'named' }>;

export type SecretEntry = {
  readonly key: string;
  readonly name: string;
  /** What to run again when a file changes. */
  readonly plan: SecretPlan;
  readonly secret: SecretRuntime;
  /** As sent by SDS; undefined for what a listener or cluster has itself. */
  readonly message: Secret | undefined;
  readonly version: string;
  readonly lastUpdatedMs: number;
};

export type SecretTable = {
  readonly entries: ReadonlyMap<string, SecretEntry>;
  /** Nothing waits for these keys: they do not exist, or did not come in time. */
  readonly absent: Set<string>;
  /** How many secrets were refused, and why each last one was. */
  readonly rejections: { readonly count: number; readonly reasons: ReadonlyMap<string, string> };
  /** Reads and checks; takes it in when it is good. */
  put(key: string, plan: SecretPlan, origin: Pick<SecretEntry, 'message' | 'version'>): Result<void>;
  remove(key: string): void;
  /** Forgets what nobody names. */
  retain(keys: ReadonlySet<string>): void;
  /** The secrets by key: the same map as before while nothing changed. */
  snapshot(): ReadonlyMap<string, SecretRuntime>;
};

export function createSecretTable({ read, now }: { read: DataReader; now: () => number }): SecretTable {
  const entries = new Map<string, SecretEntry>();
  const absent = new Set<string>();
  const reasons = new Map<string, string>();
  let count = 0;
  let snapshot: ReadonlyMap<string, SecretRuntime> = new Map();
  let isStale = false;
  return {
    entries,
    absent,
    get rejections() {
      return { count, reasons };
    },
    put(key, plan, { message, version }) {
      const built = buildSecret(plan, read);
      if (!built.ok) {
        count++;
        reasons.set(key, built.error);
        return built;
      }
      reasons.delete(key);
      absent.delete(key);
      const before = entries.get(key);
      const isSame = before !== undefined && sameSecret(before.secret, built.value);
      if (!isSame) isStale = true;
      const secret = isSame ? before.secret : built.value;
      entries.set(key, { key, name: plan.name, plan, secret, message, version, lastUpdatedMs: isSame ? before.lastUpdatedMs : now() });
      return ok(undefined);
    },
    remove(key) {
      if (entries.delete(key)) isStale = true;
    },
    retain(keys) {
      for (const key of entries.keys()) if (!keys.has(key)) this.remove(key);
      for (const key of absent) if (!keys.has(key)) absent.delete(key);
      for (const key of reasons.keys()) if (!keys.has(key)) reasons.delete(key);
    },
    snapshot() {
      if (isStale) snapshot = new Map([...entries].map(([key, { secret }]) => [key, secret]));
      isStale = false;
      return snapshot;
    },
  };
}

/** The secret with its files read, when it is usable. */
export function buildSecret(plan: SecretPlan, read: DataReader): Result<SecretRuntime> {
  try {
    const secret = plan.build(read);
    const problem = secretProblem(secret);
    return problem === undefined ? ok(secret) : fail(problem);
  } catch (error) {
    return fail(messageOf(error));
  }
}

/** Matchers are functions; their texts tell them apart. */
function sameSecret(a: SecretRuntime, b: SecretRuntime): boolean {
  const text = (secret: SecretRuntime) =>
    JSON.stringify(secret, (_key, value: unknown) => {
      if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
      return value instanceof Map ? [...value] : value;
    });
  return text(a) === text(b);
}

/** Every secret that a TLS context names or has. */
export function secretsOf(tls: CommonTls & { sessionTickets?: { kind: string; keys?: SecretRef } }): SecretRef[] {
  const tickets = tls.sessionTickets?.keys;
  return [...tls.certificates, ...(tls.validation ? [tls.validation] : []), ...(tickets ? [tickets] : [])];
}

export function secretsOfListener(listener: ListenerRuntime): SecretRef[] {
  const chains = listener.defaultFilterChain ? [...listener.filterChains, listener.defaultFilterChain] : listener.filterChains;
  return chains.flatMap(({ tls }) => (tls ? secretsOf(tls) : []));
}

export function secretsOfCluster({ transport, transportMatches }: ClusterRuntime): SecretRef[] {
  return [transport, ...transportMatches.map((match) => match.transport)].flatMap((one) => (one.kind === 'tls' ? secretsOf(one.tls) : []));
}
