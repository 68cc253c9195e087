// Lateen's proxy in this process, with the bootstrap of a test.

import { silentLogger } from '@lateen/base';
import { type RunningProxy, runProxy } from '@lateen/proxy';
import { parseBootstrap } from '@lateen/proxy/bootstrap';
import { bootstrapOf, type JsonObject } from './configuration.ts';

export type Target = {
  readonly running: RunningProxy;
  portOf(listener: string): number;
  /** Access log lines, when the configuration logs. */
  readonly log: string[];
  close(): Promise<void>;
};

/** Starts the proxy; the caller closes it. */
export async function startTarget(
  listeners: readonly JsonObject[],
  clusters: readonly JsonObject[],
  more: JsonObject = {},
): Promise<Target> {
  const log: string[] = [];
  const running = await runProxy({
    bootstrap: parseBootstrap(bootstrapOf(listeners, clusters, more), 'test'),
    logger: silentLogger,
    appendLog: (_path, text) => void log.push(...text.split('\n').filter((line) => line !== '')),
    drainMs: 100,
  });
  return {
    running,
    portOf(listener) {
      const address = running.proxy.addressOf(listener);
      if (!address) throw new Error(`listener ${listener} is not bound`);
      return address.port;
    },
    log,
    close: () => running.close(),
  };
}
