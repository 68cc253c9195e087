// A proxy with upstreams and a log, for tests of the whole path.

import type { ProxyObserver } from '../http/observer.ts';
import { formatResponseFlags, type RequestRecord } from '../http/request-record.ts';
import { createProxy, type Proxy as DataPlane, type ProxyOptions } from '../proxy.ts';
import { type Resources, runtimeOf } from './runtime.ts';
import { type RawServer, startRawServer } from './wire.ts';

export type Stage = {
  proxy: DataPlane;
  /** Of the listener "in". */
  port(): number;
  /** "status flags details" of each finished request. */
  log: string[];
  /** Names of counters, once for each time. */
  counted: string[];
  upstream(...args: Parameters<typeof startRawServer>): Promise<RawServer>;
  apply(resources: Resources): Promise<void>;
};

/** Runs a test with everything closed at its end. */
export async function onStage(run: (stage: Stage) => Promise<void>, options: ProxyOptions = {}): Promise<void> {
  const log: string[] = [];
  const counted: string[] = [];
  const finish = (record: RequestRecord) =>
    void log.push(`${record.responseCode} ${formatResponseFlags(record.responseFlags)} ${record.responseCodeDetails}`);
  const observer: ProxyObserver = {
    http: () => ({ connectionOpened() {}, connectionClosed() {}, requestStarted() {}, count: (name) => void counted.push(name), finish }),
    tcp: () => ({ connectionOpened() {}, finish }),
  };
  const proxy = createProxy({ observer, ...options });
  const servers: RawServer[] = [];
  const stage: Stage = {
    proxy,
    port: () => proxy.addressOf('in')!.port,
    log,
    counted,
    async upstream(onData) {
      const server = await startRawServer(onData);
      servers.push(server);
      return server;
    },
    apply: (resources) => proxy.apply(runtimeOf(resources), { afterClusters: true }),
  };
  try {
    await run(stage);
  } finally {
    await proxy.close();
    for (const server of servers) await server.close();
  }
}
