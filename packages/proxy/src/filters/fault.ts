// Fault injection: delays, then aborts, for the share of requests that the configuration names.

import type { Exchange } from '../http/exchange.ts';
import type { LocalReply } from '../http/local-reply.ts';
import { Timeout } from '../io/timer-wheel.ts';
import { type FaultRuntime, type HttpFilterRuntime, type Share, selects } from '../runtime/model.ts';
import type { FilterStep, HttpFilter } from './filter.ts';
import { overrideOf } from './override.ts';
import { ThrottledStream } from './throttled-stream.ts';

type Config = Extract<HttpFilterRuntime, { kind: 'fault' }>;
/** Of a request that some fault was injected into. */
type Injected = { timeout: Timeout | undefined };

export function createFaultFilter(config: Config): HttpFilter {
  const { name } = config;
  let active = 0;
  /** Whether another fault may be injected: the limit counts requests, and whoever is counted may meet several. */
  const mayInject: MayInject = (exchange, { maxActiveFaults = Number.POSITIVE_INFINITY, keys }) => {
    if (exchange.getState<Injected>(name)) return true;
    if (active >= (exchange.runtimeKeys?.integer(keys.maxActiveFaults) ?? maxActiveFaults)) {
      countFault(exchange, 'faults_overflow');
      return false;
    }
    active++;
    exchange.setState(name, { timeout: undefined } satisfies Injected);
    return true;
  };
  return {
    name,
    onRequest(exchange): FilterStep {
      const fault = faultOf(exchange, config);
      if (!fault || !applies(exchange, fault)) return 'continue';
      throttle(exchange, fault, mayInject);
      const delayMs = delayOf(exchange, fault);
      if (delayMs === 0 || !mayInject(exchange, fault)) return abort(exchange, fault, mayInject) ? 'stop' : 'continue';
      countFault(exchange, 'delays_injected');
      exchange.addFlag('DI');
      const timeout = new Timeout(() => {
        if (!abort(exchange, fault, mayInject)) exchange.continueRequest();
      });
      exchange.setState(name, { timeout } satisfies Injected);
      exchange.context.proxy.timeouts.arm(timeout, delayMs);
      return 'stop';
    },
    onDestroy(exchange) {
      const injected = exchange.getState<Injected>(name);
      if (!injected) return;
      exchange.setState(name, undefined);
      injected.timeout?.cancel();
      active--;
    },
  };
}

type MayInject = (exchange: Exchange, fault: FaultRuntime) => boolean;

function faultOf(exchange: Exchange, config: Config): FaultRuntime | undefined {
  const override = overrideOf(exchange, config.name);
  return override?.kind === 'fault' ? override.fault : config.fault;
}

const countFault = (exchange: Exchange, what: string): void =>
  exchange.context.observer.count?.(`http.${exchange.context.hcm.statPrefix}.fault.${what}`);

/** Slows the answer's body down. */
function throttle(exchange: Exchange, fault: FaultRuntime, mayInject: MayInject): void {
  const { rateLimit } = fault;
  if (!rateLimit || !happens(exchange, rateLimit.share)) return;
  const told = 'kibPerSecond' in rateLimit ? rateLimit.kibPerSecond : toldNumber(exchange, 'x-envoy-fault-throughput-response');
  if (!told || !mayInject(exchange, fault)) return;
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

const happens = (exchange: Exchange, share: Share): boolean => selects(share, exchange, exchange.context.proxy.random);

function delayOf(exchange: Exchange, { delay, keys }: FaultRuntime): number {
  if (!delay || !happens(exchange, delay.share)) return 0;
  if ('fixedMs' in delay) return exchange.runtimeKeys?.integer(keys.delayMs) ?? delay.fixedMs;
  const told = toldNumber(exchange, 'x-envoy-fault-delay-request') ?? 0;
  return told > 0 && lowered(exchange, 'delay', delay.share) ? told : 0;
}

function abort(exchange: Exchange, fault: FaultRuntime, mayInject: MayInject): boolean {
  const reply = abortReply(exchange, fault);
  if (!reply || !mayInject(exchange, fault)) return false;
  countFault(exchange, 'aborts_injected');
  exchange.respond(reply);
  return true;
}

function abortReply(exchange: Exchange, { abort: rule, keys }: FaultRuntime): LocalReply | undefined {
  if (!rule || !happens(exchange, rule.share)) return undefined;
  const reply = { body: rule.body, details: 'fault_filter_abort', flag: 'FI' } as const;
  if ('grpcStatus' in rule) {
    return { ...reply, status: 200, grpcStatus: exchange.runtimeKeys?.integer(keys.grpcStatus) ?? rule.grpcStatus };
  }
  if ('status' in rule) {
    const other = exchange.runtimeKeys?.integer(keys.status);
    return { ...reply, status: other !== undefined && isStatus(other) ? other : rule.status };
  }
  const status = toldNumber(exchange, 'x-envoy-fault-abort-request');
  const grpcStatus = toldNumber(exchange, 'x-envoy-fault-abort-grpc-request');
  if (!lowered(exchange, 'abort', rule.share)) return undefined;
  if (status !== undefined && isStatus(status)) return { ...reply, status };
  return grpcStatus === undefined ? undefined : { ...reply, status: 200, grpcStatus };
}

const isStatus = (status: number): boolean => status >= 200 && status <= 599;

/**
 * A caller may lower the share of requests that faults by header meet, but not what a runtime key says; chance has already taken the
 * configured share.
 */
function lowered(exchange: Exchange, what: 'delay' | 'abort', { fraction, runtimeKey }: Share): boolean {
  if (exchange.runtimeKeys?.share(runtimeKey) !== undefined) return true;
  const told = toldNumber(exchange, `x-envoy-fault-${what}-request-percentage`);
  return told === undefined || told / 100 >= fraction || happens(exchange, { fraction: told / 100 / fraction, runtimeKey: '' });
}

/** What a header asks for; of several lines the first counts. */
function toldNumber(exchange: Exchange, name: string): number | undefined {
  const text = exchange.header(name) === undefined ? undefined : exchange.headerValues(name)[0];
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
