// What the agent answers on its own ports: readiness, merged metrics, the application's probes, drain and quit.

import { type Clock, type Logger, messageOf, type Transport } from '@lateen/base';
import { type AdminSource, replyPrometheus } from '../admin/admin.ts';
import type { EndpointHandler, EndpointReply, EndpointRequest } from '../admin/http-endpoint.ts';
import { PROMETHEUS_TYPE } from '../admin/prometheus.ts';
import { fetchAppMetrics } from './app-metrics.ts';
import { probeApp } from './app-probes.ts';
import type { MetricsTarget, ProxyEnvironment } from './environment.ts';

export type StatusSource = {
  environment: ProxyEnvironment;
  source: AdminSource;
  transport: Transport;
  clock: Clock;
  logger: Logger;
  drain(): void;
  quit(): void;
};

const text = (status: number, body: string): EndpointReply => ({ status, body });

/** 15021: what kubelet and load balancers ask. */
export const createReadinessHandler =
  ({ source }: Pick<StatusSource, 'source'>): EndpointHandler =>
  ({ path }) =>
    path === '/healthz/ready' ? readiness(source) : text(404, 'not found\n');

/** 15090: the proxy's own statistics. */
export const createMetricsHandler =
  ({ source }: Pick<StatusSource, 'source'>): EndpointHandler =>
  async ({ path, query }) =>
    path === '/stats/prometheus' ? replyPrometheus(source, query) : text(404, 'not found\n');

/** 15020: the agent. */
export function createStatusHandler(status: StatusSource): EndpointHandler {
  const { environment, source, transport, clock } = status;
  return async (request) => {
    const { path } = request;
    switch (path) {
      case '/healthz/ready':
        return readiness(source);
      case '/stats/prometheus':
      case '/metrics':
        return mergedMetrics(status, request.query);
      case '/quitquitquit':
        return localPostOnly(request, status.quit);
      case '/drain':
        return localPostOnly(request, status.drain);
    }
    const prober = environment.appProbers.get(path);
    if (prober) return probeApp({ prober, host: environment.instanceIp, transport, clock, headers: request.rawHeaders });
    return text(404, /^\/app-(?:health|lifecycle)\//.test(path) ? `no probe is known for ${path}\n` : 'not found\n');
  };
}

function readiness(source: AdminSource): EndpointReply {
  const state = source.state();
  if (state === 'LIVE') return text(200, '');
  return text(503, state === 'DRAINING' ? 'the proxy is draining\n' : `the proxy has no configuration yet (${state})\n`);
}

// 15020 is open to the whole network (metrics): only who is within the pod may stop its proxy, as with Istio's agent.
function localPostOnly({ method, remoteIp }: Pick<EndpointRequest, 'method' | 'remoteIp'>, act: () => void): EndpointReply {
  if (!isLoopback(remoteIp)) return text(403, 'only requests from localhost are allowed\n');
  if (method !== 'POST') return { ...text(405, 'use POST\n'), headers: { allow: 'POST' } };
  act();
  return text(200, 'OK\n');
}

const isLoopback = (ip: string): boolean => ip === '::1' || /^(?:::ffff:)?127\./.test(ip);

/** What the query asks of the proxy's metrics, and all of the application's, which come even where the query is wrong. */
async function mergedMetrics(status: StatusSource, query: URLSearchParams): Promise<EndpointReply> {
  const own = await replyPrometheus(status.source, query);
  return { status: 200, contentType: PROMETHEUS_TYPE, body: (own.status === 200 ? own.body : '') + (await appMetrics(status)) };
}

async function appMetrics({ environment, transport, logger }: StatusSource): Promise<string> {
  const fetchOne = async (target: MetricsTarget) => {
    try {
      return await fetchAppMetrics({ ...target, transport });
    } catch (error) {
      logger.warn('application metrics are left out', { port: target.port, error: messageOf(error) });
      return '';
    }
  };
  return (await Promise.all(environment.appMetrics.map(fetchOne))).join('');
}
