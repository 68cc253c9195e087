// Notes fixed values of the configuration.

import type { HttpFilterRuntime } from '../runtime/model.ts';
import { mergeMetadata } from './dynamic-metadata.ts';
import type { HttpFilter } from './filter.ts';

type Config = Extract<HttpFilterRuntime, { kind: 'set_metadata' }>;

export function createSetMetadataFilter(config: Config): HttpFilter {
  return {
    name: config.name,
    onRequest(exchange) {
      for (const { namespace, value, allowOverwrite } of config.writes) {
        if (!allowOverwrite && exchange.dynamicMetadata?.has(namespace)) continue;
        mergeMetadata(exchange, namespace, value);
      }
      return 'continue';
    },
  };
}
