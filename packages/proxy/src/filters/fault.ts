// Fault injection: delays, then aborts, for the share of requests that the configuration names.

import type { Exchange } from '../http/exchange.ts';
import type { LocalReply } from '../http/local-reply.ts';
import { Timeout } from '../io/timer-wheel.ts';
import type { FaultRuntime, HttpFilterRuntime } from '../runtime/model.ts';
import type { FilterStep, HttpFilter } from './filter.ts';
import { overrideOf } from './override.ts';
import { ThrottledStream } from './throttled-stream.ts';

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
      throttle(exchange, fault);
      const delayMs = active.count >= (fault.maxActiveFaults ?? Number.POSITIVE_INFINITY) ? 0 : delayOf(exchange, fault);
      if (delayMs === 0) return abort(exchange, fault) ? 'stop' : 'continue';
      active.count++;
      countFault(exchange, 'delays_injected');
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
  if (exchange.route().kind === 'not_found') return undefined;
  const override = overrideOf(exchange, config.name);
  return override?.kind === 'fault' ? override.fault : config.fault;
}

const countFault = (exchange: Exchange, what: string): void =>
  exchange.context.observer.count?.(`http.${exchange.context.hcm.statPrefix}.fault.${what}`);

/** Slows the answer's body down. */
function throttle(exchange: Exchange, { rateLimit }: FaultRuntime): void {
  if (!rateLimit || !happens(exchange, rateLimit.fraction)) return;
  const told = 'kibPerSecond' in rateLimit ? rateLimit.kibPerSecond : numberOf(exchange.header('x-envoy-fault-throughput-response'));
  if (!told) return;
  countFault(exchange, 'response_rl_injected');
  exchange.stream = new ThrottledStream(exchange, told * 1024);
}

function applies(exchange: Exchange, fault: FaultRuntime): boolean {
  if (fault.matches && !fault.matches(exchange)) return false;
  if (fault.downstreamNodes.size > 0 && !fault.downstreamNodes.has(exchange.header('x-envoy-downstream-service-node') ?? '')) return false;
  if (fault.upstreamCluster === '') return true;
  const decision = exchange.route();
  return decision.kind === 'forward' && decision.cluster === fault.upstreamCluster;
}

const happens = (exchange: Exchange, fraction: number): boolean =>
  fraction > 0 && (fraction >= 1 || exchange.context.proxy.random() < fraction);

function delayOf(exchange: Exchange, { delay }: FaultRuntime): number {
  if (!delay || !happens(exchange, delay.fraction)) return 0;
  if ('fixedMs' in delay) return delay.fixedMs;
  const told = numberOf(exchange.header('x-envoy-fault-delay-request')) ?? 0;
  return told > 0 && lowered(exchange, 'delay', delay.fraction) ? told : 0;
}

function abort(exchange: Exchange, fault: FaultRuntime): boolean {
  const { abort: rule } = fault;
  if (!rule || !happens(exchange, rule.fraction)) return false;
  const reply = { body: rule.body, details: 'fault_filter_abort', flag: 'FI' } as const;
  if ('grpcStatus' in rule) return abortWith(exchange, { ...reply, status: 200, grpcStatus: rule.grpcStatus });
  if ('status' in rule) return abortWith(exchange, { ...reply, status: rule.status });
  const status = numberOf(exchange.header('x-envoy-fault-abort-request'));
  const grpcStatus = numberOf(exchange.header('x-envoy-fault-abort-grpc-request'));
  if (!lowered(exchange, 'abort', rule.fraction)) return false;
  if (status !== undefined && status >= 200 && status <= 599) return abortWith(exchange, { ...reply, status });
  return grpcStatus !== undefined && abortWith(exchange, { ...reply, status: 200, grpcStatus });
}

function abortWith(exchange: Exchange, reply: LocalReply): true {
  countFault(exchange, 'aborts_injected');
  exchange.respond(reply);
  return true;
}

/** A caller may lower the share of requests that faults by header meet; chance has already taken `fraction` of them. */
function lowered(exchange: Exchange, what: 'delay' | 'abort', fraction: number): boolean {
  const told = numberOf(exchange.header(`x-envoy-fault-${what}-request-percentage`));
  return told === undefined || told / 100 >= fraction || happens(exchange, told / 100 / fraction);
}

const numberOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
