// Counts gRPC requests by method and outcome, and the messages of both directions.

import type { Exchange } from '../http/exchange.ts';
import type { Head } from '../http/head.ts';
import type { Connection } from '../io/connection.ts';
import type { HttpFilterRuntime } from '../runtime/model.ts';
import { CountedMethods } from './counted-methods.ts';
import type { HttpFilter } from './filter.ts';
import { GrpcFrameCounter } from './grpc-frames.ts';
import { StreamFilter } from './stream-filter.ts';

type Config = Extract<HttpFilterRuntime, { kind: 'grpc_stats' }>;

export function createGrpcStatsFilter(config: Config): HttpFilter {
  const { name } = config;
  const methods = new CountedMethods();
  return {
    name,
    onRequest(exchange) {
      if (!/^application\/grpc(?:$|[+;])/.test(exchange.head.value('content-type') ?? '')) return 'continue';
      const requests = new GrpcFrameCounter();
      if (exchange.first) requests.add(exchange.first);
      exchange.addRequestTap({
        onRequestData(bytes) {
          requests.add(bytes);
          exchange.requestMessages = requests.messages;
        },
      });
      exchange.requestMessages = requests.messages;
      exchange.stream = new CountingStream(exchange);
      exchange.setState(name, true);
      return 'continue';
    },
    onDestroy(exchange) {
      if (!exchange.getState<boolean>(name)) return;
      if (config.emitFilterState) {
        exchange.filterState ??= new Map();
        exchange.filterState.set('envoy.filters.http.grpc_stats', `${exchange.requestMessages},${exchange.responseMessages}`);
      }
      report(exchange, config, methods);
    },
  };
}

class CountingStream extends StreamFilter {
  private readonly exchange: Exchange;
  private readonly responses = new GrpcFrameCounter();

  constructor(exchange: Exchange) {
    super(exchange.stream);
    this.exchange = exchange;
  }

  override sendHead(head: Head, first: Buffer | undefined, end: boolean): void {
    if (first) this.take(first);
    super.sendHead(head, first, end);
  }

  override sendData(bytes: Buffer, source: Connection | undefined): boolean {
    this.take(bytes);
    return super.sendData(bytes, source);
  }

  private take(bytes: Buffer): void {
    this.responses.add(bytes);
    this.exchange.responseMessages = this.responses.messages;
  }
}

/** As Envoy: "cluster.<name>.grpc.<service>.<method>.success"; methods that are not asked for are counted as a whole. */
function report(exchange: Exchange, config: Config, methods: CountedMethods): void {
  const { observer } = exchange.context;
  const cluster = exchange.cluster?.statName;
  // As Envoy: what was not answered as gRPC is not counted.
  if (cluster === undefined || !isGrpcAnswer(exchange)) return;
  const path = exchange.originalPath.split('?', 1)[0] as string;
  const slash = path.lastIndexOf('/');
  const service = path.slice(1, slash);
  const named = slash > 0 && (config.methods === 'all' ? methods.admit(path) : config.methods.has(path));
  const scope = named ? `${config.replaceDots ? service.replaceAll('.', '_') : service}.${path.slice(slash + 1)}.` : '';
  const prefix = `cluster.${cluster}.grpc.${scope}`;
  const { grpcStatus } = exchange;
  if (grpcStatus !== undefined) observer.count?.(`${prefix}${grpcStatus}`);
  observer.count?.(`${prefix}${grpcStatus === 0 ? 'success' : 'failure'}`);
  observer.count?.(`${prefix}total`);
  if (exchange.requestMessages > 0) observer.count?.(`${prefix}request_message_count`, exchange.requestMessages);
  if (exchange.responseMessages > 0) observer.count?.(`${prefix}response_message_count`, exchange.responseMessages);
}

const isGrpcAnswer = ({ responseHead, grpcStatus }: Exchange): boolean =>
  grpcStatus !== undefined || /^application\/grpc(?:$|[+;])/.test(responseHead?.value('content-type') ?? '');
