// Which filter chains of a listener did not change since its last version: those keep their connections.

import { create, toBinary } from '@bufbuild/protobuf';
import { type FilterChain, FilterChainSchema, type Listener, ListenerSchema } from '@lateen/xds/messages/proxy';
import type { FilterChainRuntime, ListenerRuntime } from '../model.ts';

export type PreviousListener = { readonly message: Listener; readonly compiled: ListenerRuntime };

/**
 * Finds the compiled chain that equals a message byte for byte; none when the listener itself changed in what its connections
 * know of it. Listener filters and addresses matter to new connections only.
 */
export function sharableChains(
  message: Listener,
  previous: PreviousListener | undefined,
): (chain: FilterChain) => FilterChainRuntime | undefined {
  if (!previous || bytesOfRest(message) !== bytesOfRest(previous.message)) return () => undefined;
  const known = new Map<string, FilterChainRuntime>();
  previous.message.filterChains.forEach((chain, i) => {
    const compiled = previous.compiled.filterChains[i];
    if (compiled) known.set(bytesOf(chain), compiled);
  });
  const { defaultFilterChain } = previous.message;
  if (defaultFilterChain && previous.compiled.defaultFilterChain)
    known.set(bytesOf(defaultFilterChain), previous.compiled.defaultFilterChain);
  return (chain) => known.get(bytesOf(chain));
}

/** Fields that connections know nothing of once they have begun. */
const NEW_CONNECTIONS_ONLY = new Set([
  'filterChains',
  'defaultFilterChain',
  'address',
  'additionalAddresses',
  'listenerFilters',
  'listenerFiltersTimeout',
  'continueOnListenerFiltersTimeout',
  'tcpBacklogSize',
  'connectionBalanceConfig',
  'enableReusePort',
  'reusePort',
  'drainType',
]);

const latin1 = new TextDecoder('latin1');
const text = (bytes: Uint8Array): string => latin1.decode(bytes);

const bytesOf = (chain: FilterChain): string => text(toBinary(FilterChainSchema, chain));

function bytesOfRest(message: Listener): string {
  const bare = create(ListenerSchema);
  for (const field of ListenerSchema.fields) {
    if (!NEW_CONNECTIONS_ONLY.has(field.localName))
      (bare as unknown as Fields)[field.localName] = (message as unknown as Fields)[field.localName];
  }
  return text(toBinary(ListenerSchema, bare));
}

type Fields = Record<string, unknown>;
