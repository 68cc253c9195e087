// Without an inspector only the first bytes say whether a client speaks HTTP/2 by prior knowledge.

import { type Connection, ignoring } from '../io/connection.ts';
import { Timeout, type Timeouts } from '../io/timer-wheel.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/**
 * Calls `begin` once the version is known, then hands it what has arrived. A client that says nothing for `idleMs` (0 = ever) is closed;
 * `onUnknown` hears of connections that ended before.
 */
export function awaitHttpVersion(
  connection: Connection,
  { timeouts, idleMs, onUnknown }: { readonly timeouts: Timeouts; readonly idleMs: number; readonly onUnknown: (isIdle: boolean) => void },
  begin: (isHttp2: boolean) => void,
): void {
  let held: Buffer | undefined;
  let isIdle = false;
  const idle = new Timeout(() => {
    isIdle = true;
    connection.destroy();
  });
  if (idleMs > 0) timeouts.arm(idle, idleMs);
  const decide = (bytes: Buffer, isHttp2: boolean) => {
    idle.cancel();
    connection.handler = ignoring;
    begin(isHttp2);
    connection.receivedBefore(bytes);
  };
  connection.handler = {
    onData(bytes) {
      const all = held ? Buffer.concat([held, bytes]) : bytes;
      const length = Math.min(all.length, PREFACE.length);
      if (all.compare(PREFACE, 0, length, 0, length) !== 0) return decide(all, false);
      if (length === PREFACE.length) return decide(all, true);
      held = held ? all : connection.keep(bytes);
    },
    onEnd() {
      if (!held) return connection.end();
      decide(held, false);
      connection.handler.onEnd();
    },
    onDrain() {},
    onClose() {
      idle.cancel();
      onUnknown(isIdle);
    },
  };
}
