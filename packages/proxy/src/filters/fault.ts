// Fault injection: delays, then aborts, for the share of requests that the configuration names.

import type { Exchange } from '../http/exchange.ts';
import { Timeout } from '../io/timer-wheel.ts';
import type { FaultRuntime, HttpFilterRuntime } from '../runtime/model.ts';
import type { FilterStep, HttpFilter } from './filter.ts';

type Config = Extract<HttpFilterRuntime, { kind: 'fault' }>;
type Delay = { timeout: Timeout };

export function createFaultFilter(config: Config): HttpFilter {
  const { name } = config;
  const active = { count: 0 };
  return {
    name,
    onRequest(exchange): FilterStep {
      const fault = faultOf(exchange, config);
      if (!fault || !applies(exchange, fault)) return 'continue';
      const delayMs = active.count >= (fault.maxActiveFaults ?? Number.POSITIVE_INFINITY) ? 0 : delayOf(exchange, fault);
      if (delayMs === 0) return abort(exchange, fault) ? 'stop' : 'continue';
      active.count++;
      exchange.addFlag('DI');
      const timeout = new Timeout(() => {
        exchange.setState(name, undefined);
        active.count--;
        if (!abort(exchange, fault)) exchange.continueRequest();
      });
      exchange.setState(name, { timeout } satisfies Delay);
      exchange.context.proxy.timeouts.arm(timeout, delayMs);
      return 'stop';
    },
    onDestroy(exchange) {
      const delay = exchange.getState<Delay>(name);
      if (!delay?.timeout.armed) return;
      delay.timeout.cancel();
      active.count--;
    },
  };
}

function faultOf(exchange: Exchange, config: Config): FaultRuntime | undefined {
  const decision = exchange.route();
  if (decision.kind === 'not_found') return undefined;
  const override = decision.filterOverrides.get(config.name);
  if (override?.kind === 'disabled') return undefined;
  return override?.kind === 'fault' ? override.fault : config.fault;
}

function applies(exchange: Exchange, fault: FaultRuntime): boolean {
  if (fault.matches && !fault.matches(exchange)) return false;
  if (fault.upstreamCluster === '') return true;
  const decision = exchange.route();
  return decision.kind === 'forward' && decision.cluster === fault.upstreamCluster;
}

const happens = (exchange: Exchange, fraction: number): boolean =>
  fraction > 0 && (fraction >= 1 || exchange.context.proxy.random() < fraction);

function delayOf(exchange: Exchange, { delay }: FaultRuntime): number {
  if (!delay || !happens(exchange, delay.fraction)) return 0;
  return 'fixedMs' in delay ? delay.fixedMs : (numberOf(exchange.header('x-envoy-fault-delay-request')) ?? 0);
}

function abort(exchange: Exchange, fault: FaultRuntime): boolean {
  const { abort: rule } = fault;
  if (!rule || !happens(exchange, rule.fraction)) return false;
  if ('grpcStatus' in rule) {
    exchange.respond({
      status: 200,
      details: 'fault_filter_abort',
      flag: 'FI',
      headers: [
        ['content-type', 'application/grpc'],
        ['grpc-status', String(rule.grpcStatus)],
        ['grpc-message', 'fault filter abort'],
      ],
    });
    return true;
  }
  const status = 'status' in rule ? rule.status : numberOf(exchange.header('x-envoy-fault-abort-request'));
  if (status === undefined || status < 200 || status > 599) return false;
  exchange.respond({ status, body: 'fault filter abort', details: 'fault_filter_abort', flag: 'FI' });
  return true;
}

const numberOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
