// Notes fixed values of the configuration, then those of the route.

import type { HttpFilterRuntime } from '../runtime/model.ts';
import { mergeMetadata } from './dynamic-metadata.ts';
import type { HttpFilter } from './filter.ts';
import { overrideOf } from './override.ts';

type Config = Extract<HttpFilterRuntime, { kind: 'set_metadata' }>;

export function createSetMetadataFilter(config: Config): HttpFilter {
  return {
    name: config.name,
    onRequest(exchange) {
      const override = overrideOf(exchange, config.name);
      const more = override?.kind === 'set_metadata' ? override.writes : [];
      for (const { namespace, value, allowOverwrite } of [...config.writes, ...more]) {
        if (!allowOverwrite && exchange.dynamicMetadata?.has(namespace)) continue;
        mergeMetadata(exchange, namespace, value);
      }
      return 'continue';
    },
  };
}
