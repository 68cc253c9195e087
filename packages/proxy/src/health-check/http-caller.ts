// One request at a time to one host, for health checks, whatever version of HTTP carries it.

import type { ProbeTarget } from './probe.ts';

export type CallRequest = {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  /** Lower-case names. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
};

export interface CallHandler {
  onResponse(status: number, header: (name: string) => string | undefined): void;
  onData(bytes: Buffer): void;
  /** `trailer`: what came after the body, or nothing. */
  onEnd(trailer: (name: string) => string | undefined): void;
  /** Last call when the response is not complete. */
  onFailure(why: string): void;
}

export interface HttpCaller {
  /** Only after the call before has ended. */
  call(request: CallRequest, handler: CallHandler): void;
  /** Drops the connection; the handler hears nothing more. `call` may follow. */
  close(): void;
}

export type CreateCaller = (target: ProbeTarget) => HttpCaller;
