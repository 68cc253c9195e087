// The client side of ADS over gRPC: one stream, subscriptions of all types, verdicts (ACK or NACK) from the caller, and a new
// stream with back-off when one ends. It knows nothing of what resources mean.

import { create, type DescMessage, fromBinary, type MessageInitShape, type MessageShape, toBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { ChannelCredentials, Client, ClientDuplexStream } from '@grpc/grpc-js';
import { type Clock, createBackoff, type Logger, messageOf, type Result, systemClock, type Timer } from '@lateen/base';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
  type NodeSchema,
} from '../messages/config.ts';
import { createDeltaSubscription, createSotwSubscription, type ResourceUpdate, type Subscription, type Wanted } from './subscription.ts';

export type AdsResourceType = {
  typeUrl: string;
  /** All resources are sent at once and absence means removal (listeners and clusters). */
  isFullState: boolean;
  /** The name inside a resource. */
  nameOf: (resource: Any) => string;
};

export type AdsClientOptions = {
  /** `host:port` of the server. */
  address: string;
  /** Default plaintext. */
  credentials?: ChannelCredentials;
  protocol: 'delta' | 'sotw';
  /** Default: all types over one stream (ADS). Else a stream for one type alone (SDS, CDS, EDS, LDS, RDS). */
  service?: keyof typeof METHODS;
  node: MessageInitShape<typeof NodeSchema>;
  /** In the order in which they are asked for on a new stream. */
  types: readonly AdsResourceType[];
  /**
   * Takes an update into force as a whole, or refuses it as a whole with every reason. Where that takes time, later updates wait
   * for it, and so does the ACK.
   */
  onUpdate: (update: ResourceUpdate) => Verdict | Promise<Verdict>;
  clock?: Clock;
  logger: Logger;
  /** Uniform in [0, 1), for the back-off's jitter. Default Math.random. */
  random?: () => number;
};

type Verdict = Result<void, readonly string[]>;

export type AdsTypeStatus = {
  typeUrl: string;
  acceptedVersion: string;
  resourceCount: number;
  lastRejection: string | undefined;
  /** Responses so far. */
  acceptedCount: number;
  rejectedCount: number;
};

export type AdsClient = {
  /** What is wanted of a type from now on. */
  subscribe(typeUrl: string, wanted: Wanted): void;
  readonly isConnected: boolean;
  status(): AdsTypeStatus[];
  /** Ends the stream; nothing is reported afterwards. */
  close(): void;
};

/** A push of a large mesh in one state-of-the-world response far exceeds gRPC's default of 4 MiB. */
const MAX_RECEIVE_BYTES = 256 * 1024 * 1024;

type Wire<Req extends DescMessage, Res extends DescMessage> = { request: Req; response: Res };
const METHODS = {
  aggregated: {
    sotw: 'envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
    delta: 'envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
  },
  secrets: {
    sotw: 'envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets',
    delta: 'envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets',
  },
  clusters: {
    sotw: 'envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters',
    delta: 'envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters',
  },
  endpoints: {
    sotw: 'envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints',
    delta: 'envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints',
  },
  listeners: {
    sotw: 'envoy.service.listener.v3.ListenerDiscoveryService/StreamListeners',
    delta: 'envoy.service.listener.v3.ListenerDiscoveryService/DeltaListeners',
  },
  routes: {
    sotw: 'envoy.service.route.v3.RouteDiscoveryService/StreamRoutes',
    delta: 'envoy.service.route.v3.RouteDiscoveryService/DeltaRoutes',
  },
};
const WIRES = {
  sotw: { request: DiscoveryRequestSchema, response: DiscoveryResponseSchema },
  delta: { request: DeltaDiscoveryRequestSchema, response: DeltaDiscoveryResponseSchema },
} satisfies Record<string, Wire<DescMessage, DescMessage>>;

type AnyRequest = { typeUrl?: string };
type AnyResponse = { typeUrl: string };
type Entry = {
  type: AdsResourceType;
  subscription: Subscription<AnyRequest, AnyResponse>;
  version: string;
  lastRejection: string | undefined;
  acceptedCount: number;
  rejectedCount: number;
};
/** Loaded when the first stream opens: it costs some 9 MB, and many a proxy has a static configuration. */
type Grpc = typeof import('@grpc/grpc-js');
type Stream = ClientDuplexStream<Uint8Array, Uint8Array>;

export function createAdsClient(options: AdsClientOptions): AdsClient {
  const { clock = systemClock, logger, protocol } = options;
  // A proxy usually starts with its control plane, and is of no use before it: the first retries come quickly.
  const backoff = createBackoff({ baseMs: 100, factor: 1.3, maxMs: 5_000, ...(options.random && { random: options.random }) });
  const wire: Wire<DescMessage, DescMessage> = WIRES[protocol];
  // A channel of its own for each attempt: a channel that failed once waits for its own back-off, on top of ours.
  const createChannel = (grpc: Grpc): Client =>
    new grpc.Client(options.address, options.credentials ?? grpc.credentials.createInsecure(), {
      'grpc.max_receive_message_length': MAX_RECEIVE_BYTES,
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 10_000,
      'grpc.keepalive_permit_without_calls': 0,
      'grpc.use_local_subchannel_pool': 1,
    });
  const entries = new Map<string, Entry>();
  for (const type of options.types) {
    const subscription = protocol === 'delta' ? createDeltaSubscription(type) : createSotwSubscription(type);
    entries.set(type.typeUrl, {
      type,
      subscription: subscription as unknown as Entry['subscription'],
      version: '',
      lastRejection: undefined,
      acceptedCount: 0,
      rejectedCount: 0,
    });
  }

  let channel: Client | undefined;
  let stream: Stream | undefined;
  let hasSentNode = false;
  let hasReceived = false;
  let isClosed = false;
  let judging: Promise<void> = Promise.resolve();
  let retry: Timer | undefined;

  const send = (request: AnyRequest | undefined) => {
    if (!stream || !request) return;
    // The node is only needed once per stream.
    const full = hasSentNode ? request : { ...request, node: options.node };
    hasSentNode = true;
    stream.write(toBinary(wire.request, create(wire.request, full as never)));
  };

  const receive = async (opened: Stream, bytes: Uint8Array) => {
    if (stream !== opened) return;
    hasReceived = true;
    backoff.reset();
    const response = fromBinary(wire.response, bytes) as MessageShape<DescMessage> & AnyResponse;
    const entry = entries.get(response.typeUrl);
    if (!entry) return logger.warn('response of a type that was not asked for', { type: response.typeUrl });
    const { subscription } = entry;
    const verdict = await judge(() => subscription.receive(response), options.onUpdate);
    let answer: AnyRequest;
    if (verdict.ok) {
      entry.version = verdict.value.version;
      entry.lastRejection = undefined;
      entry.acceptedCount++;
      answer = subscription.accept(verdict.value);
    } else {
      entry.lastRejection = verdict.error.join('; ');
      entry.rejectedCount++;
      logger.warn('configuration refused', { type: response.typeUrl, reasons: verdict.error });
      answer = subscription.reject(verdict.error);
    }
    if (stream === opened) send(answer);
  };

  const open = async () => {
    retry = undefined;
    // `default` is there for Node and in a bundle alike; the names are not.
    const { default: grpc } = await import('@grpc/grpc-js');
    if (isClosed) return;
    hasSentNode = false;
    hasReceived = false;
    const path = `/${METHODS[options.service ?? 'aggregated'][protocol]}`;
    const own = createChannel(grpc);
    channel = own;
    const opened: Stream = own.makeBidiStreamRequest(path, passBytes, passBytes, new grpc.Metadata());
    stream = opened;
    const end = (reason: string) => {
      if (stream !== opened) return;
      stream = undefined;
      own.close();
      const delayMs = backoff.next();
      logger.info('ADS stream ended', { address: options.address, reason, retryMs: Math.round(delayMs) });
      retry = clock.after(delayMs, () => void open());
    };
    opened.on('data', (bytes: Uint8Array) => {
      judging = judging
        .then(() => receive(opened, bytes))
        .catch((error: unknown) => {
          logger.error('unreadable ADS response', { error });
          opened.cancel();
        });
    });
    opened.on('error', (error: Error) => end(messageOf(error)));
    opened.on('end', () => end('closed by the server'));
    for (const { subscription } of entries.values()) send(subscription.start());
  };
  // After the caller's first `subscribe` calls, so that they go out as initial requests.
  queueMicrotask(() => {
    if (!isClosed) void open();
  });

  return {
    subscribe(typeUrl, wanted) {
      const entry = entries.get(typeUrl);
      if (!entry) throw new Error(`type ${typeUrl} was not declared`);
      send(entry.subscription.want(wanted));
    },
    get isConnected() {
      return stream !== undefined && hasReceived;
    },
    status: () =>
      [...entries.values()].map(({ type, subscription, version, lastRejection, acceptedCount, rejectedCount }) => ({
        acceptedCount,
        rejectedCount,
        typeUrl: type.typeUrl,
        acceptedVersion: version,
        resourceCount: subscription.accepted.size,
        lastRejection,
      })),
    close() {
      isClosed = true;
      retry?.cancel();
      const last = stream;
      stream = undefined;
      last?.cancel();
      channel?.close();
    },
  };
}

const passBytes = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

async function judge(
  read: () => ResourceUpdate,
  onUpdate: AdsClientOptions['onUpdate'],
): Promise<Result<ResourceUpdate, readonly string[]>> {
  let update: ResourceUpdate;
  try {
    update = read();
  } catch (error) {
    return { ok: false, error: [messageOf(error)] };
  }
  const verdict = await onUpdate(update);
  return verdict.ok ? { ok: true, value: update } : verdict;
}
