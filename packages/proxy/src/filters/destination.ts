// Where a routed request may go: tunnels that are allowed, and the address that it was sent to before it was redirected here.

import type { SocketAddress } from '@lateen/base';
import type { Exchange } from '../http/exchange.ts';
import { redirectedTo } from '../listener/connection-info.ts';
import type { ForwardAction } from '../runtime/model.ts';
import type { ClusterState } from '../upstream/cluster-state.ts';

/** Whether the tunnel that the request asks for (Upgrade, CONNECT) is enabled; true when it asks for none. */
export function acceptsTunnel(exchange: Exchange, action: ForwardAction): boolean {
  const type = exchange.method === 'CONNECT' ? 'connect' : exchange.upgrade;
  return type === '' || (action.upgrades.get(type) ?? exchange.context.hcm.upgrades.get(type) ?? false);
}

/** For clusters that send each request where its client meant it to go. */
export function originalDestination(exchange: Exchange, cluster: ClusterState): SocketAddress | undefined {
  const { connection } = exchange;
  const { discovery } = cluster.runtime;
  if (discovery.kind !== 'original_dst') return undefined;
  if (discovery.headerName !== undefined) {
    const text = exchange.header(discovery.headerName);
    if (text !== undefined) return addressOf(text);
  }
  return redirectedTo(connection);
}

/** What is no "IP:port" is nobody's address. */
function addressOf(text: string): SocketAddress {
  const colon = text.lastIndexOf(':');
  const port = text.slice(colon + 1);
  return { host: text.slice(0, Math.max(0, colon)).replace(/^\[|\]$/g, ''), port: /^\d+$/.test(port) ? Number(port) : Number.NaN };
}
