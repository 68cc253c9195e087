// A listener's numbers under Envoy's names.

import { Histogram } from '../observe/histogram.ts';
import type { ListenerRuntime } from '../runtime/model.ts';

export class ListenerStats {
  downstream_cx_total = 0;
  downstream_cx_active = 0;
  downstream_cx_destroy = 0;
  downstream_cx_overflow = 0;
  downstream_cx_overload_reject = 0;
  downstream_global_cx_overflow = 0;
  downstream_cx_transport_socket_connect_timeout = 0;
  downstream_pre_cx_active = 0;
  downstream_pre_cx_timeout = 0;
  downstream_listener_filter_remote_close = 0;
  downstream_listener_filter_error = 0;
  no_filter_chain_match = 0;
  readonly downstream_cx_length_ms = new Histogram();
}

export type ListenerSetStats = ReturnType<typeof newListenerSetStats>;

/** What Envoy counts under `listener_manager.`. */
export const newListenerSetStats = () => ({
  listener_added: 0,
  listener_modified: 0,
  listener_removed: 0,
  listener_stopped: 0,
  listener_create_success: 0,
  listener_create_failure: 0,
  listener_in_place_updated: 0,
});

/** What stands for the listener in names of statistics: its prefix, or its address as "127.0.0.1_80", "[__1]_80". */
export function listenerStatName({ statPrefix, addresses: [address], name }: ListenerRuntime): string {
  if (statPrefix !== '' || !address) return statPrefix || name;
  if (address.host.startsWith('/')) return address.host;
  const host = address.host.includes(':') ? `[${address.host.replaceAll(':', '_')}]` : address.host;
  return `${host}_${address.port}`;
}
