// TLS sessions that end here.

import type { Connection } from '../io/connection.ts';
import type { Timeouts } from '../io/timer-wheel.ts';
import type { DownstreamTlsRuntime, SecretRuntime } from '../runtime/model.ts';

export type DownstreamTlsServices = {
  readonly timeouts: Timeouts;
  /** By name; undefined while it has not arrived. */
  readonly secret: (name: string) => SecretRuntime | undefined;
};

/**
 * Does the server's side of a handshake on `connection`, of which `unread` was read already. `done` gets the connection that carries
 * the plaintext, with its `tls` facts set, or why there is none; the old connection is then gone.
 */
export function secureDownstream(
  connection: Connection,
  _tls: DownstreamTlsRuntime,
  _how: { readonly unread: Buffer | undefined; readonly timeoutMs: number; readonly services: DownstreamTlsServices },
  done: (secured: Connection | undefined, failure: string) => void,
): void {
  connection.destroy();
  done(undefined, 'TLS is not supported');
}
