// Notes that filters leave for others, by namespace.

import { isObject } from '@lateen/base';
import type { Exchange } from '../http/exchange.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Adds fields to a namespace; nested objects merge, lists join, other values replace. */
export function mergeMetadata(exchange: Exchange, namespace: string, fields: Fields): void {
  // What the connection brought is shared with its other requests.
  const own = exchange.ownMetadata ?? new Map(exchange.connection.dynamicMetadata);
  exchange.ownMetadata = own;
  const known = own.get(namespace);
  own.set(namespace, known ? (merged(known, fields) as Fields) : fields);
}

function merged(known: unknown, added: unknown): unknown {
  if (Array.isArray(known) && Array.isArray(added)) return [...known, ...added];
  if (!isObject(known) || !isObject(added)) return added;
  const result: Record<string, unknown> = Object.assign(Object.create(null), known);
  for (const [key, value] of Object.entries(added)) result[key] = key in result ? merged(result[key], value) : value;
  return result;
}
