// An ADS server: state-of-the-world and incremental, for any configuration that `resources` computes. The caller
// debounces; a push requested while another waits is merged with it, per client.

import { type handleBidiStreamingCall, Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { type Clock, type Closable, CodedError, type Logger, messageOf, silentLogger, systemClock } from '@lateen/base';
import type { DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Node } from '../messages/config.ts';
import {
  type Connection,
  type ConnectionEvent,
  type ConnectionOptions,
  createDeltaConnection,
  createSotwConnection,
  type XdsClient,
} from './connection.ts';
import { createPushQueue } from './push-queue.ts';
import type { ResourceSet } from './resource.ts';
import { ADS_SERVICE } from './service.ts';

export type AdsEvent = ConnectionEvent | { type: 'connect' } | { type: 'disconnect' };

export type AdsServerOptions = {
  /** Everything this client may see. Called at each push and subscription: return the same maps for equal configuration. */
  resources: (client: XdsClient) => ResourceSet;
  /** The version written into responses; by convention it changes with every snapshot. */
  version: () => string;
  onEvent?: (client: XdsClient, event: AdsEvent) => void;
  /** Default 100,000 per connection. */
  maxConcurrentStreams?: number;
  /** Default 30 s between HTTP/2 pings. */
  keepaliveMs?: number;
  logger?: Logger;
  clock?: Clock;
};

export type AdsServer = Closable & {
  /** Binds in plaintext; port 0 picks one. Resolves to the bound port. */
  listen(address: { host: string; port: number }): Promise<number>;
  /** Sends what changed to every client, or to those that `concerns`. */
  push(concerns?: (client: XdsClient) => boolean): void;
  readonly clients: readonly XdsClient[];
  /** Clients with a push waiting or under way. */
  readonly pendingPushes: number;
};

type AnyStream = ServerDuplexStream<unknown, unknown>;
type Live = { connection: Connection<never>; stream: AnyStream };

/** Create, then `listen`. `close()` ends every stream. */
export function createAdsServer(options: AdsServerOptions): AdsServer {
  const { logger = silentLogger, clock = systemClock, onEvent = () => {} } = options;
  const live = new Map<string, Live>();
  const queue = createPushQueue<Live>({
    push({ connection, stream }) {
      try {
        connection.push();
      } catch (error) {
        // The client keeps what it has.
        logger.error('ADS: cannot push', { node: connection.client.id, error: messageOf(error) });
      }
      // A slow reader gets its next push when it has read this one.
      if (stream.writableNeedDrain) return new Promise((resolve) => stream.once('drain', resolve).once('close', resolve));
    },
  });
  let streams = 0;

  const serve = <Request extends { node?: Node | undefined }, Response>(
    createConnection: (options: ConnectionOptions, write: (response: Response) => void) => Connection<Request>,
  ): handleBidiStreamingCall<Request, Response> => {
    return (stream) => {
      let connection: Connection<Request> | undefined;
      let entry: Live | undefined;
      const open = (node: Node): Connection<Request> => {
        const opened: Connection<Request> = createConnection(
          {
            id: `${node.id}-${++streams}`,
            node,
            peer: stream.getPeer(),
            connectedAtMs: clock.now(),
            version: options.version,
            resources: () => options.resources(opened.client),
            onEvent: (event) => onEvent(opened.client, event),
          },
          (response) => void stream.write(response),
        );
        entry = { connection: opened as Connection<never>, stream: stream as unknown as AnyStream };
        live.set(opened.client.id, entry);
        logger.info('ADS: new connection', { node: opened.client.id, mode: opened.client.mode });
        onEvent(opened.client, { type: 'connect' });
        return opened;
      };
      const end = (): void => {
        if (!entry || !connection || !live.delete(connection.client.id)) return;
        queue.remove(entry);
        logger.info('ADS: connection closed', { node: connection.client.id });
        onEvent(connection.client, { type: 'disconnect' });
      };
      stream.on('data', (request: Request) => {
        if (!connection) {
          if (!request.node?.id) {
            stream.emit('error', { code: status.INVALID_ARGUMENT, details: 'the first request of an ADS stream must name its node' });
            return;
          }
          connection = open(request.node);
        }
        try {
          connection.receive(request);
        } catch (error) {
          // One client's configuration that cannot be computed must not take the others down.
          logger.error('ADS: cannot answer', { node: connection.client.id, error: messageOf(error) });
          stream.emit('error', { code: status.INTERNAL, details: 'the configuration cannot be computed' });
        }
      });
      stream.on('error', (error) => {
        logger.debug('ADS: stream failed', { error: error.message });
        end();
      });
      stream.on('end', () => {
        end();
        stream.end();
      });
      stream.on('cancelled', end);
      stream.on('close', end);
    };
  };

  const server = new Server({
    'grpc.max_concurrent_streams': options.maxConcurrentStreams ?? 100_000,
    'grpc.keepalive_time_ms': options.keepaliveMs ?? 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
  });
  server.addService(ADS_SERVICE, {
    StreamAggregatedResources: serve<DiscoveryRequest, DiscoveryResponse>(createSotwConnection),
    DeltaAggregatedResources: serve<DeltaDiscoveryRequest, DeltaDiscoveryResponse>(createDeltaConnection),
  });

  return {
    listen({ host, port }) {
      return new Promise((resolve, reject) => {
        server.bindAsync(`${host.includes(':') ? `[${host}]` : host}:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
          if (!error) return resolve(bound);
          const fix = 'choose another address for --xds, or stop what listens there';
          reject(new CodedError({ code: 'LAT0401', what: `cannot serve xDS on ${host}:${port}`, why: error.message, fix, cause: error }));
        });
      });
    },
    push(concerns = () => true) {
      for (const entry of live.values()) if (concerns(entry.connection.client)) queue.enqueue(entry);
    },
    get clients() {
      return [...live.values()].map(({ connection }) => connection.client);
    },
    get pendingPushes() {
      return queue.size;
    },
    close() {
      for (const { stream } of live.values()) stream.end();
      server.forceShutdown();
    },
  };
}
