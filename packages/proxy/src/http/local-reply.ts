// An answer that this proxy invents: its head and body, as the connection manager's local_reply_config wants it, in gRPC's form
// for gRPC requests.

import { compileLogFilter, renderFormat } from '../observe/access-log.ts';
import type { BodyFormat, HeaderMutation, LocalReplyMapper } from '../runtime/model.ts';
import type { Exchange } from './exchange.ts';
import { Head } from './head.ts';
import { applyHeaderMutations } from './header-mutations.ts';
import type { RequestRecord, ResponseFlag } from './request-record.ts';

/** Why an answer is made here. */
export type LocalReply = {
  status: number;
  /** Text; empty sends no body. */
  body?: string;
  /** Lays the body out, whatever the connection manager wants. */
  bodyFormat?: BodyFormat | undefined;
  flag?: ResponseFlag;
  /** Envoy's response code details. */
  details: string;
  headers?: readonly (readonly [name: string, value: string])[];
  /** Applied after `headers`. */
  mutations?: readonly HeaderMutation[];
  /** What a gRPC client is told; else made of the status. */
  grpcStatus?: number;
};

/** The message for `reply`; the body is empty when there is none. */
export function composeLocalReply(exchange: Exchange, reply: LocalReply): { head: Head; body: Buffer } {
  const head = new Head(0);
  head.status = reply.status;
  nameCluster(exchange);
  for (const [name, value] of reply.headers ?? []) head.add(name, value);
  if (reply.mutations) {
    exchange.responseHead = head;
    applyHeaderMutations(head, reply.mutations, exchange);
    exchange.responseHead = undefined;
  }
  const { text, contentType, status } = layOut(exchange, reply, head);
  head.status = status;
  exchange.responseCode = status;
  if (isGrpc(exchange)) {
    head.status = 200;
    head.set('content-type', 'application/grpc');
    head.set('grpc-status', String(reply.grpcStatus ?? grpcStatusOf(status)));
    if (text !== '') head.set('grpc-message', percentEncoded(Buffer.from(text, 'utf8')));
    return { head, body: NOTHING };
  }
  const body = Buffer.from(text, 'utf8');
  if (body.length > 0) {
    head.add('content-length', String(body.length));
    if (!head.has('content-type')) head.add('content-type', contentType);
  }
  return { head, body };
}

const NOTHING = Buffer.alloc(0);

/** The log of an answer by a filter names the cluster that the route would have led to. */
function nameCluster(exchange: Exchange): void {
  const { decision, context } = exchange;
  if (decision?.kind !== 'forward' || exchange.upstreamCluster !== '') return;
  const cluster = context.proxy.clusters.get(decision.cluster)?.runtime;
  if (!cluster) return;
  exchange.cluster = cluster;
  exchange.upstreamCluster = cluster.name;
}

type LaidOut = { text: string; contentType: string; status: number };

function layOut(exchange: Exchange, reply: LocalReply, head: Head): LaidOut {
  const { localReplies } = exchange.context.hcm;
  const plain = { text: reply.body ?? '', contentType: 'text/plain', status: reply.status };
  // Formats and filters of mappers see the answer's status.
  exchange.responseCode = reply.status;
  if (reply.bodyFormat) return formatted(exchange, reply.bodyFormat, plain);
  if (!localReplies) return plain;
  const mapper = localReplies.mappers.find((each) => passes(each, exchange));
  const mapped = { ...plain, status: mapper?.status ?? plain.status, text: mapper?.body ?? plain.text };
  exchange.responseCode = mapped.status;
  if (mapper) applyHeaderMutations(head, mapper.headers, exchange);
  const format = mapper?.bodyFormat ?? localReplies.bodyFormat;
  return format ? formatted(exchange, format, mapped) : mapped;
}

function formatted(exchange: Exchange, format: BodyFormat, reply: LaidOut): LaidOut {
  exchange.localReplyBody = reply.text;
  return { ...reply, text: renderFormat(format, exchange), contentType: format.contentType };
}

const compiled = new WeakMap<LocalReplyMapper, (record: RequestRecord) => boolean>();

function passes(mapper: LocalReplyMapper, exchange: Exchange): boolean {
  let test = compiled.get(mapper);
  if (!test) {
    test = compileLogFilter(mapper.filter, { random: exchange.context.proxy.random });
    compiled.set(mapper, test);
  }
  return test(exchange);
}

const isGrpc = ({ head, isGrpcWeb }: Exchange): boolean => {
  if (isGrpcWeb) return false;
  const type = head.value('content-type');
  return type !== undefined && /^application\/grpc(?:$|[+;])/.test(type);
};

/** The gRPC status for an HTTP status, by gRPC's own table. */
export function grpcStatusOf(status: number): number {
  switch (status) {
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}

/** As Envoy writes grpc-message: bytes outside of printable ASCII, "~" and "%", as %XX. */
export function percentEncoded(text: Uint8Array): string {
  let result = '';
  for (const byte of text) {
    const isPlain = byte >= 0x20 && byte < 0x7e && byte !== 0x25;
    result += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return result;
}
