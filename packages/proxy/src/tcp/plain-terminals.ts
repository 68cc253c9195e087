// Network filters that end a chain without an upstream.

import { type Connection, ignoring } from '../io/connection.ts';

/** Sends everything back. */
export function echo(connection: Connection): void {
  connection.handler = {
    onData(bytes) {
      if (!connection.write(connection.keep(bytes))) connection.pause();
    },
    onEnd: () => connection.end(),
    onDrain: () => connection.resume(),
    onClose() {},
  };
}

/** Says `text` and closes. */
export function answerDirectly(connection: Connection, text: string): void {
  connection.handler = { ...ignoring, onEnd: () => connection.end() };
  if (text !== '') connection.write(Buffer.from(text));
  connection.end();
}
