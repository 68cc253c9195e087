// Holds a request back until it is whole, up to a size; a longer one is answered 413.

import type { Head } from '../http/head.ts';
import type { HttpFilterRuntime } from '../runtime/model.ts';
import type { HttpFilter } from './filter.ts';
import { overrideOf } from './override.ts';

type Config = Extract<HttpFilterRuntime, { kind: 'buffer' }>;

export function createBufferFilter(config: Config): HttpFilter {
  return {
    name: config.name,
    onRequest(exchange) {
      if (exchange.upgrade !== '' || exchange.method === 'CONNECT') return 'continue';
      const override = overrideOf(exchange, config.name);
      const limitBytes = override?.kind === 'buffer' ? override.maxRequestBytes : config.maxRequestBytes;
      let sizeBytes = 0;
      const take = (bytes: Buffer): boolean => {
        sizeBytes += bytes.length;
        if (sizeBytes <= limitBytes) return true;
        // What still comes of the request is not worth a connection.
        if (exchange.head.version < 20) exchange.stream.closeAfterResponse();
        exchange.respond({ status: 413, body: 'Payload Too Large', details: 'request_payload_too_large' });
        return false;
      };
      exchange.holdLimitBytes = limitBytes;
      if (exchange.first && !take(exchange.first)) return 'stop';
      if (exchange.requestEnded) {
        if (sizeBytes > 0) tellLength(exchange.head, sizeBytes);
        return 'continue';
      }
      exchange.addRequestTap({
        onRequestData: take,
        onRequestEnd() {
          if (exchange.responseHead) return;
          tellLength(exchange.head, sizeBytes);
          exchange.continueRequest();
        },
      });
      return 'stop';
    },
  };
}

/** The length of the body is known now. */
function tellLength(head: Head, sizeBytes: number): void {
  if (head.has('content-length')) return;
  head.remove('transfer-encoding');
  head.add('content-length', String(sizeBytes));
}
