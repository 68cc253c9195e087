// The way of an answer to a gRPC-Web client: its trailers become the last frame of the body, in base64 if the client wants text. An
// answer that is not gRPC's becomes a head with grpc-status and, as grpc-message, what its body said.

import type { Exchange } from '../http/exchange.ts';
import type { Head } from '../http/head.ts';
import { grpcStatusOf, percentEncoded } from '../http/local-reply.ts';
import type { Connection } from '../io/connection.ts';
import type { CountedMethods } from './counted-methods.ts';
import { GrpcTextEncoder } from './grpc-web-text.ts';
import { StreamFilter } from './stream-filter.ts';

/** How much of a foreign body becomes grpc-message; as Envoy. */
const MAX_MESSAGE_BYTES = 16 * 1024;
const TRAILERS_FLAG = 0x80;

/** What is gathered of an answer that is not gRPC's; each letter of `message` is a byte. */
type Foreign = { head: Head; message: string };

export class GrpcWebStream extends StreamFilter {
  private readonly exchange: Exchange;
  /** Paths that are counted, of all requests. */
  private readonly methods: CountedMethods;
  private readonly encoder: GrpcTextEncoder | undefined;
  private isForeign = false;
  private foreign: Foreign | undefined;
  private ended = false;

  constructor(exchange: Exchange, how: { isText: boolean; methods: CountedMethods }) {
    super(exchange.stream);
    this.exchange = exchange;
    this.methods = how.methods;
    this.encoder = how.isText ? new GrpcTextEncoder() : undefined;
  }

  /** The whole answer was handed on. */
  get isEnded(): boolean {
    return this.ended;
  }

  /** The answer's head, before `sendHead`. */
  prepareHead(head: Head): void {
    this.isForeign = head.status !== 200 || !isGrpcAnswer(head.value('content-type') ?? '');
    this.charge(head.value('grpc-status'));
    // Trailers, base64 or nothing at all: the body's length is another one.
    head.remove('content-length');
    head.set('content-type', this.encoder ? 'application/grpc-web-text+proto' : 'application/grpc-web+proto');
  }

  override sendHead(head: Head, first: Buffer | undefined, end: boolean): void {
    if (end) this.ended = true;
    if (end && !first?.length) return super.sendHead(head, first, end);
    if (this.isForeign) {
      this.foreign = { head, message: '' };
      if (first) this.gather(this.foreign, first);
      if (end) this.sendForeign(this.foreign, undefined);
      return;
    }
    if (!first || !this.encoder) return super.sendHead(head, first, end);
    const text = this.encoder.encode(first);
    const all = end ? Buffer.concat([text, this.encoder.finish(undefined)]) : text;
    this.exchange.bytesSent += all.length - first.length;
    super.sendHead(head, all.length > 0 ? all : undefined, end);
  }

  override sendData(bytes: Buffer, source: Connection | undefined): boolean {
    if (this.foreign) {
      this.gather(this.foreign, bytes);
      return true;
    }
    if (!this.encoder) return super.sendData(bytes, source);
    this.exchange.bytesSent -= bytes.length;
    return this.sendOwn(this.encoder.encode(bytes));
  }

  override sendEnd(trailers: Head | undefined): void {
    this.ended = true;
    if (trailers) this.charge(trailers.value('grpc-status'));
    if (this.foreign) return this.sendForeign(this.foreign, trailers);
    const frame = trailers && trailersFrame(trailers);
    const last = this.encoder ? this.encoder.finish(frame) : frame;
    if (last) this.sendOwn(last);
    super.sendEnd(undefined);
  }

  override reset(): void {
    this.foreign = undefined;
    super.reset();
  }

  private sendOwn(bytes: Buffer): boolean {
    this.exchange.bytesSent += bytes.length;
    return bytes.length === 0 || super.sendData(bytes, undefined);
  }

  private gather(foreign: Foreign, bytes: Buffer): void {
    foreign.message += bytes.toString('latin1', 0, MAX_MESSAGE_BYTES - foreign.message.length);
    this.exchange.bytesSent -= bytes.length;
  }

  /** As Envoy: "cluster.<name>.grpc-web.<service>.<method>.success", and the status by number. */
  private charge(status: string | undefined): void {
    const { methods } = this;
    const { cluster, context, originalPath } = this.exchange;
    if (status === undefined || !cluster) return;
    const [path = ''] = originalPath.split('?', 1);
    const [, service, method, more] = path.split('/', 4);
    if (!service || !method || more !== undefined) return;
    if (!methods.admit(path)) return;
    const prefix = `cluster.${cluster.statName}.grpc-web.${service}.${method}.`;
    if (/^\d{1,4}$/.test(status)) context.observer.count?.(`${prefix}${status}`);
    context.observer.count?.(`${prefix}${status === '0' ? 'success' : 'failure'}`);
    context.observer.count?.(`${prefix}total`);
  }

  private sendForeign({ head, message }: Foreign, trailers: Head | undefined): void {
    this.foreign = undefined;
    head.set('grpc-message', percentEncoded(Buffer.from(message, 'latin1')));
    head.set('grpc-status', String(grpcStatusOf(head.status)));
    head.set('content-length', '0');
    super.sendHead(head, undefined, !trailers);
    if (trailers) super.sendEnd(trailers);
  }
}

/** gRPC's own, or gRPC-Web's from an upstream that speaks it. */
function isGrpcAnswer(contentType: string): boolean {
  if (/^application\/grpc(?:$|\+)/.test(contentType)) return true;
  const [type = ''] = contentType.split(';', 1);
  return /^application\/grpc-web(?:\+proto)?$/i.test(type.trimEnd());
}

function trailersFrame(trailers: Head): Buffer {
  let lines = '';
  trailers.forEach((name, value) => {
    lines += `${name}:${value}\r\n`;
  });
  const frame = Buffer.allocUnsafe(5 + lines.length);
  frame[0] = TRAILERS_FLAG;
  frame.writeUInt32BE(lines.length, 1);
  frame.write(lines, 5, 'latin1');
  return frame;
}
