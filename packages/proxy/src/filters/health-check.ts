// Answers the health checks of load balancers in front of the proxy: itself, by the state of clusters, or with what the
// upstream said a moment ago.

import type { Exchange } from '../http/exchange.ts';
import type { LocalReply } from '../http/local-reply.ts';
import type { HttpFilterRuntime } from '../runtime/model.ts';
import type { HttpFilter } from './filter.ts';

type Config = Extract<HttpFilterRuntime, { kind: 'health_check' }>;

export function createHealthCheckFilter(config: Config): HttpFilter {
  const { name } = config;
  /** What the upstream answered last, and until when (monotonic) that holds. */
  const cached = { status: 0, isDegraded: false, untilMs: 0 };
  const answer = (exchange: Exchange, reply: LocalReply): 'stop' => {
    exchange.setState(name, true);
    exchange.respond(reply.status < 300 ? reply : { ...reply, flag: 'LH' });
    return 'stop';
  };
  return {
    name,
    onRequest(exchange) {
      if (!config.matches(exchange)) return 'continue';
      if (exchange.context.isDraining() || exchange.context.proxy.isFailingHealthChecks()) {
        return answer(exchange, { status: 503, details: 'health_check_failed' });
      }
      if (!config.passThrough) {
        return answer(exchange, stateOf(exchange, config));
      }
      if (exchange.context.proxy.clock.monotonicMs() < cached.untilMs) {
        const headers: [string, string][] = cached.isDegraded ? [['x-envoy-degraded', '']] : [];
        return answer(exchange, { status: cached.status, details: 'health_check_cached', headers });
      }
      exchange.setState(name, true);
      return 'continue';
    },
    onResponse(exchange, head) {
      const { proxy } = exchange.context;
      if (!exchange.getState<boolean>(name)) {
        if (proxy.isFailingHealthChecks()) head.set('x-envoy-immediate-health-check-fail', 'true');
        return;
      }
      head.set('x-envoy-upstream-healthchecked-cluster', proxy.node.cluster);
      if (config.cacheMs === 0) return;
      cached.status = head.status;
      cached.isDegraded = head.has('x-envoy-degraded');
      cached.untilMs = proxy.clock.monotonicMs() + config.cacheMs;
    },
  };
}

/** 200 where every named cluster has enough healthy hosts. */
function stateOf(exchange: Exchange, { clusterMinHealthyPercent }: Config): LocalReply {
  for (const [name, percent] of clusterMinHealthyPercent) {
    const hosts = exchange.context.proxy.clusters.get(name)?.listHosts();
    const why = !hosts ? 'no_cluster_found' : hosts.length === 0 ? 'cluster_empty' : 'cluster_unhealthy';
    const healthy = hosts?.filter((host) => host.isAvailable).length ?? 0;
    // A cluster without hosts is healthy when nothing is asked of it, as in Envoy.
    const isServing = hosts !== undefined && (hosts.length === 0 ? percent === 0 : 100 * healthy >= percent * hosts.length);
    if (!isServing) return { status: 503, details: `health_check_failed_${why}` };
  }
  return { status: 200, details: clusterMinHealthyPercent.size > 0 ? 'health_check_ok_cluster_healthy' : 'health_check_ok' };
}
