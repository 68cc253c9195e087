import type { Exchange } from '../http/exchange.ts';
import type { Head } from '../http/head.ts';

const OF_CONTENT = new Set([
  'connection',
  'content-length',
  'content-type',
  'date',
  'keep-alive',
  'server',
  'transfer-encoding',
  'upgrade',
]);

/** 200 is no answer to a handshake (RFC 6455 4.1): what it carries is not what the client asked for. Its header fields go on. */
export function refuseHandshake(exchange: Exchange, head: Head): void {
  const headers: [string, string][] = [];
  head.forEach((name, value) => {
    if (!OF_CONTENT.has(name)) headers.push([name, value]);
  });
  exchange.stream.closeAfterResponse();
  exchange.respond({ status: 200, details: 'websocket_handshake_unsuccessful', headers });
}
