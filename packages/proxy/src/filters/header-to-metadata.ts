// Notes what headers and cookies say.

import { fromBinary, toJson } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import type { Exchange } from '../http/exchange.ts';
import type { Head } from '../http/head.ts';
import { cookieOf } from '../runtime/compile/match.ts';
import type { HeaderToMetadataRule, HttpFilterRuntime, NotedValue } from '../runtime/model.ts';
import { mergeMetadata } from './dynamic-metadata.ts';
import type { HttpFilter } from './filter.ts';
import { overrideOf } from './override.ts';

type Config = Extract<HttpFilterRuntime, { kind: 'header_to_metadata' }>;

/** Longer values are not noted. */
const MAX_VALUE = 8 * 1024;

export function createHeaderToMetadataFilter(config: Config): HttpFilter {
  const rulesOf = (exchange: Exchange) => {
    const override = overrideOf(exchange, config.name);
    return override?.kind === 'header_to_metadata' ? override : config;
  };
  return {
    name: config.name,
    onRequest(exchange) {
      for (const rule of rulesOf(exchange).request) apply(exchange, exchange.head, rule);
      return 'continue';
    },
    onResponse(exchange, head) {
      for (const rule of rulesOf(exchange).response) apply(exchange, head, rule);
    },
  };
}

function apply(exchange: Exchange, head: Head, rule: HeaderToMetadataRule): void {
  const isPseudo = rule.header.startsWith(':');
  // A cookie without a value is none.
  const value =
    rule.cookie !== '' ? cookieOf(exchange, rule.cookie) || undefined : isPseudo ? exchange.header(rule.header) : head.value(rule.header);
  if (value !== undefined) {
    if (rule.present) note(exchange, rule.present, textOf(rule.present, value));
    if (rule.remove && !isPseudo) head.remove(rule.header);
  } else if (rule.missing) note(exchange, rule.missing, rule.missing.value);
}

const textOf = (noted: NotedValue, actual: string): string => (noted.rewrite ? noted.rewrite(actual) : noted.value || actual);

function note(exchange: Exchange, noted: NotedValue, text: string): void {
  if (text === '' || text.length > MAX_VALUE) return;
  const value = decoded(noted, text);
  if (value !== undefined) mergeMetadata(exchange, noted.namespace, { [noted.key]: value });
}

/** Undefined: not what anyone would have encoded (foreign letters, a length or last bits that cannot be). */
function base64Bytes(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  const isSame = bytes.toString('base64').replace(/=+$/, '') === text.replace(/={0,2}$/, '');
  return isSame ? bytes : undefined;
}

function decoded({ type, isBase64 }: NotedValue, text: string): unknown {
  const bytes = isBase64 ? base64Bytes(text) : undefined;
  if (isBase64 && !bytes) return undefined;
  switch (type) {
    case 'string':
      return bytes?.toString('utf8') ?? text;
    case 'number': {
      const number = Number(bytes?.toString('latin1') ?? text);
      return Number.isFinite(number) ? number : undefined;
    }
    case 'protobuf_value':
      try {
        return bytes && toJson(ValueSchema, fromBinary(ValueSchema, bytes));
      } catch {
        return undefined;
      }
  }
}
