// Where a routed request may go: tunnels that are allowed, and the address that it was sent to before it was redirected here.

import type { Exchange } from '../http/exchange.ts';
import type { ForwardAction } from '../runtime/model.ts';
import type { ClusterState } from '../upstream/cluster-state.ts';

/** Whether the tunnel that the request asks for (Upgrade, CONNECT) is enabled; true when it asks for none. */
export function acceptsTunnel(exchange: Exchange, action: ForwardAction): boolean {
  const type = exchange.method === 'CONNECT' ? 'connect' : exchange.upgrade;
  return type === '' || (action.upgrades.get(type) ?? exchange.context.hcm.upgrades.get(type) ?? false);
}

/** For clusters that send each request where its client meant it to go. */
export function originalDestination(exchange: Exchange, cluster: ClusterState): { host: string; port: number } | undefined {
  const { connection } = exchange;
  const { discovery } = cluster.runtime;
  if (discovery.kind !== 'original_dst') return undefined;
  if (discovery.headerName !== undefined) {
    const text = exchange.header(discovery.headerName);
    const colon = text?.lastIndexOf(':') ?? -1;
    if (text !== undefined && colon > 0) {
      return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) };
    }
  }
  return { host: connection.localIp, port: connection.localPort };
}
