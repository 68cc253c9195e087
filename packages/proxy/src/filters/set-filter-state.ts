// Stores values made of the request where routing, access logs and other filters find them.

import type { Exchange } from '../http/exchange.ts';
import { compileFormat } from '../observe/format.ts';
import type { FilterStateRuntime, Format, HttpFilterRuntime } from '../runtime/model.ts';
import type { HttpFilter } from './filter.ts';
import { overrideOf } from './override.ts';

type Config = Extract<HttpFilterRuntime, { kind: 'set_filter_state' }>;

export function createSetFilterStateFilter(config: Config): HttpFilter {
  return {
    name: config.name,
    onRequest(exchange) {
      const override = overrideOf(exchange, config.name);
      const levels = override?.kind === 'set_filter_state' ? override.levels.toReversed() : [];
      for (const { values } of [config, ...levels]) store(exchange, values);
      if ([config, ...levels].some(({ clearRouteCache }) => clearRouteCache)) exchange.decision = undefined;
      return 'continue';
    },
  };
}

const compiled = new WeakMap<Format, ReturnType<typeof compileFormat>>();

function render({ value: format, omitEmpty }: FilterStateRuntime, exchange: Exchange): string {
  let text = compiled.get(format);
  if (!text) {
    text = compileFormat(format, omitEmpty ? '' : '-');
    compiled.set(format, text);
  }
  return text(exchange);
}

function store(exchange: Exchange, values: readonly FilterStateRuntime[]): void {
  for (const state of values) {
    const { key, readOnly, skipIfEmpty } = state;
    const text = render(state, exchange);
    if (text === '' && skipIfEmpty) continue;
    exchange.filterState ??= new Map();
    if (readOnly && exchange.filterState.has(key)) continue;
    exchange.filterState.set(key, text);
  }
}
