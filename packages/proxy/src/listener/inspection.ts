// The listener filters: look at a connection's first bytes, without taking them, until the filter chain can be chosen.

import type { Connection } from '../io/connection.ts';
import { Timeout, type Timeouts } from '../io/timer-wheel.ts';
import type { ListenerRuntime } from '../runtime/model.ts';
import { parseClientHello } from './client-hello.ts';
import { sniffHttp } from './http-sniff.ts';

export type Inspected = {
  serverName: string | undefined;
  transportProtocol: 'raw_buffer' | 'tls';
  applicationProtocols: readonly string[];
  /** What was read; it belongs to whoever serves the connection. */
  bytes: Buffer | undefined;
  /** The client said that it will send no more. */
  ended: boolean;
};

const MAX_BYTES = 64 * 1024;

/** Runs the inspectors that the listener has for this port; `done` follows at once when there are none. `undefined`: the client gave up. */
export function inspect(
  connection: Connection,
  listener: ListenerRuntime,
  how: { port: number; timeouts: Timeouts },
  done: (result: Inspected | undefined) => void,
): void {
  const active = listener.listenerFilters.filter((filter) => !filter.isDisabled(how.port));
  const wantsTls = active.some((filter) => filter.kind === 'tls_inspector');
  const wantsHttp = active.some((filter) => filter.kind === 'http_inspector');
  const result: Inspected = {
    serverName: undefined,
    transportProtocol: 'raw_buffer',
    applicationProtocols: [],
    bytes: undefined,
    ended: false,
  };
  if (!wantsTls && !wantsHttp) return done(result);
  const finish = (outcome: Inspected | undefined) => {
    timeout.cancel();
    done(outcome);
  };
  const timeout = new Timeout(() => finish(listener.continueOnListenerFiltersTimeout ? result : undefined));
  if (listener.listenerFiltersTimeoutMs > 0) how.timeouts.arm(timeout, listener.listenerFiltersTimeoutMs);
  connection.handler = {
    onData(bytes) {
      result.bytes = result.bytes ? Buffer.concat([result.bytes, bytes]) : connection.keep(bytes);
      if (isDecided(result, wantsTls, wantsHttp) || result.bytes.length > MAX_BYTES) finish(result);
    },
    onEnd() {
      result.ended = true;
      finish(result);
    },
    onDrain() {},
    onClose() {
      timeout.cancel();
      done(undefined);
    },
  };
}

function isDecided(result: Inspected, wantsTls: boolean, wantsHttp: boolean): boolean {
  const bytes = result.bytes as Buffer;
  if (wantsTls) {
    const hello = parseClientHello(bytes);
    if (hello.kind === 'more') return false;
    if (hello.kind === 'hello') {
      result.transportProtocol = 'tls';
      result.serverName = hello.hello.serverName === '' ? undefined : hello.hello.serverName;
      result.applicationProtocols = hello.hello.applicationProtocols;
      return true;
    }
  }
  if (!wantsHttp) return true;
  const http = sniffHttp(bytes);
  if (http === 'more') return false;
  if (http !== 'other') result.applicationProtocols = [http];
  return true;
}
