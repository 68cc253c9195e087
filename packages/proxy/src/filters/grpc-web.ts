// Lets browsers speak to gRPC servers: a gRPC-Web request goes on as gRPC, its answer comes back as gRPC-Web.
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md

import type { Exchange } from '../http/exchange.ts';
import { CountedMethods } from './counted-methods.ts';
import type { HttpFilter } from './filter.ts';
import { GrpcWebStream } from './grpc-web-stream.ts';
import { Base64Decoder } from './grpc-web-text.ts';

const BINARY: ReadonlySet<string> = new Set(['application/grpc-web', 'application/grpc-web+proto']);
const TEXT: ReadonlySet<string> = new Set(['application/grpc-web-text', 'application/grpc-web-text+proto']);

export function createGrpcWebFilter(name: string): HttpFilter {
  const methods = new CountedMethods();
  return {
    name,
    onRequest(exchange) {
      const { head } = exchange;
      const type = head.value('content-type') ?? '';
      const isText = TEXT.has(type);
      if ((!isText && !BINARY.has(type)) || exchange.upgrade !== '') return 'continue';
      const answer = new GrpcWebStream(exchange, { isText: TEXT.has(head.value('accept') ?? ''), methods });
      exchange.isGrpcWeb = true;
      exchange.stream = answer;
      exchange.setState(name, answer);
      head.remove('content-length');
      head.set('content-type', 'application/grpc');
      head.set('te', 'trailers');
      if (!head.has('grpc-accept-encoding')) head.set('grpc-accept-encoding', 'identity');
      if (isText) decodeRequest(exchange, answer);
      return exchange.responseHead ? 'stop' : 'continue';
    },
    onResponse(exchange, head) {
      exchange.getState<GrpcWebStream>(name)?.prepareHead(head);
    },
  };
}

function decodeRequest(exchange: Exchange, answer: GrpcWebStream): void {
  const decoder = new Base64Decoder();
  const refuse = (details: string): void => {
    if (exchange.isFinished || answer.isEnded) return;
    if (exchange.responseHead) return exchange.abort('LR', details);
    // What still comes of the request is not worth a connection.
    if (exchange.head.version < 20) exchange.stream.closeAfterResponse();
    exchange.respond({ status: 400, body: 'Bad gRPC-web request, invalid base64 data.', details });
  };
  const onRequestEnd = (): void => {
    if (decoder.isWithinQuantum) refuse('grpc_base_64_decode_failed_bad_size');
  };
  exchange.addRequestTap({
    transform(bytes) {
      const decoded = decoder.decode(bytes);
      if (!decoded) refuse('grpc_base_64_decode_failed');
      return decoded;
    },
    onRequestEnd,
  });
  if (exchange.requestEnded) onRequestEnd();
}
