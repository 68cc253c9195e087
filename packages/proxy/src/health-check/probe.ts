// One way of asking a host how it is.

import type { HealthCheckRuntime } from '../runtime/model.ts';
import type { ClusterState } from '../upstream/cluster-state.ts';
import type { Host } from '../upstream/host.ts';

export type ProbeResult =
  | { readonly passed: true; readonly degraded: boolean }
  /** `active`: the host said so itself, which condemns it at once; of the others the threshold forgives some. */
  | {
      readonly passed: false;
      readonly kind: 'active' | 'retriable' | 'network' | 'timeout';
      readonly why: string;
      /** Of the answer; 0 = none. */
      readonly status?: number;
      /** The host wants not to be counted at all. */
      readonly excludes?: boolean;
    };

export interface Probe {
  /** Asks once. `done` follows unless `close` comes first. */
  start(done: (result: ProbeResult) => void): void;
  /** Drops the connection and any question under way. `start` may follow. */
  close(): void;
}

/** Whom to ask, and how. `host` may have another address than the one that serves requests. */
export type ProbeTarget = {
  readonly cluster: ClusterState;
  readonly host: Host;
  /** Value of the host header unless the check has its own. */
  readonly hostname: string;
  readonly applicationProtocols: readonly string[];
  readonly transportCriteria: HealthCheckRuntime['transportCriteria'];
  readonly timeoutMs: number;
  /** Keeps the connection for the next question. */
  readonly reuseConnection: boolean;
};

type Headers = readonly (readonly [string, string])[];

/** What the configuration adds to a question; a user agent of its own comes behind that of all health checks. */
export function probeHeaders(added: Headers): Headers {
  const agents = ['Envoy/HC', ...added.flatMap(([name, value]) => (name === 'user-agent' ? [value] : []))];
  return [['user-agent', agents.join(',')], ...added.filter(([name]) => name !== 'user-agent')];
}

export const networkFailure = (why: string): ProbeResult => ({ passed: false, kind: 'network', why });

/** Takes bytes until the wanted pieces have been seen, each after the one before; what lies between does not matter. */
export class PayloadMatch {
  private readonly wanted: readonly Uint8Array[];
  private next = 0;
  private rest = Buffer.alloc(0);

  constructor(wanted: readonly Uint8Array[]) {
    this.wanted = wanted;
  }

  get isComplete(): boolean {
    return this.next === this.wanted.length;
  }

  add(bytes: Buffer): boolean {
    this.rest = Buffer.concat([this.rest, bytes]);
    for (let piece = this.wanted[this.next]; piece; piece = this.wanted[this.next]) {
      const at = this.rest.indexOf(piece);
      if (at < 0) {
        // Only the last bytes can still become the beginning of the piece.
        this.rest = this.rest.subarray(Math.max(0, this.rest.length - piece.length + 1));
        return false;
      }
      this.rest = this.rest.subarray(at + piece.length);
      this.next++;
    }
    return true;
  }
}
