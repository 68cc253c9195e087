// HTTP/2 in plaintext has no codec here yet. Where its destination does not depend on what the requests say, its connections
// pass through as TCP, so that gRPC works without routing rules; elsewhere they are refused.

import type { ProxyContext } from '../http/context.ts';
import type { ConnectionInfo } from '../http/request-view.ts';
import type { HcmRuntime, ListenerRuntime, TcpProxyRuntime } from '../runtime/model.ts';

const IDLE_MS = 3_600_000;
/** Istio's cluster for traffic that no rule knows: the original destination. */
const PASSTHROUGH = 'PassthroughCluster';

// One per connection manager, so that observers see one object.
const tunnels = new WeakMap<HcmRuntime, Map<string, TcpProxyRuntime>>();

/** The TCP proxy that serves an HTTP/2 connection to this connection manager; undefined when there is no single destination. */
export function tunnelFor(
  hcm: HcmRuntime,
  proxy: ProxyContext,
  listener: ListenerRuntime,
  info: ConnectionInfo,
): TcpProxyRuntime | undefined {
  const name = onlyCluster(hcm) ?? (isRedirected(listener, info) && proxy.clusters.get(PASSTHROUGH) ? PASSTHROUGH : undefined);
  if (name === undefined) return undefined;
  let byCluster = tunnels.get(hcm);
  if (!byCluster) {
    byCluster = new Map();
    tunnels.set(hcm, byCluster);
  }
  let tunnel = byCluster.get(name);
  if (!tunnel) {
    tunnel = {
      statPrefix: hcm.statPrefix,
      pickCluster: () => name,
      clusters: [{ name, weight: 1 }],
      idleTimeoutMs: IDLE_MS,
      maxConnectAttempts: 1,
      maxDownstreamConnectionDurationMs: 0,
      accessLogs: [],
      hashSourceIp: false,
      metadataMatch: undefined,
    };
    byCluster.set(name, tunnel);
  }
  return tunnel;
}

function onlyCluster(hcm: HcmRuntime): string | undefined {
  if (hcm.routes.kind !== 'inline') return undefined;
  const { virtualHosts } = hcm.routes.table;
  if (virtualHosts.length !== 1 || virtualHosts[0]?.routes.length !== 1) return undefined;
  const decision = hcm.routes.table.match(ANY_REQUEST, () => 0);
  return decision.kind === 'forward' ? decision.cluster : undefined;
}

const ANY_REQUEST = { method: 'POST', path: '/', authority: 'any', scheme: 'http', header: () => undefined, headerValues: () => [] };

/** The connection was meant for somebody else than this proxy. */
function isRedirected(listener: ListenerRuntime, info: ConnectionInfo): boolean {
  return listener.trafficDirection === 'outbound' && !listener.bindToPort && info.localIp !== '127.0.0.1';
}
