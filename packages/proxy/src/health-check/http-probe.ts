// An HTTP health check: the status decides, then the body where pieces of one are asked for.

import type { HealthProbe, StatusRange } from '../runtime/model.ts';
import { type CallHandler, type CallRequest, HttpCaller } from './http-caller.ts';
import { networkFailure, PayloadMatch, type Probe, type ProbeResult, type ProbeTarget, probeHeaders } from './probe.ts';

type HttpCheck = Extract<HealthProbe, { kind: 'http' }>;

const includes = (ranges: readonly StatusRange[], status: number) => ranges.some(({ start, end }) => status >= start && status < end);

export class HttpProbe implements Probe {
  private readonly target: ProbeTarget;
  private readonly check: HttpCheck;
  private readonly caller: HttpCaller;
  private readonly request: CallRequest;

  constructor(target: ProbeTarget, check: HttpCheck) {
    this.target = target;
    this.check = check;
    this.caller = new HttpCaller(target, check.version);
    const dropped = new Set(check.removeHeaders);
    this.request = {
      method: check.method,
      path: check.path,
      authority: target.host.endpoint.healthCheck?.hostname || check.host || target.hostname,
      headers: probeHeaders(check.addHeaders).filter(([name]) => !dropped.has(name)),
      body: check.send,
    };
  }

  start(done: (result: ProbeResult) => void): void {
    this.caller.call(this.request, this.handlerFor(done));
  }

  private handlerFor(done: (result: ProbeResult) => void): CallHandler {
    const { check } = this;
    const match = new PayloadMatch(check.receive);
    let bodyBytes = 0;
    let verdict: ProbeResult | undefined;
    let isDone = false;
    const finish = (result: ProbeResult) => {
      if (isDone) return;
      isDone = true;
      done(result);
    };
    return {
      onResponse: (status, header) => {
        verdict = this.verdictOf(status, header);
      },
      onData: (bytes) => {
        if (bodyBytes < check.responseBufferBytes) match.add(bytes.subarray(0, check.responseBufferBytes - bodyBytes));
        bodyBytes += bytes.length;
      },
      onEnd: () => {
        if (verdict?.passed && !match.isComplete) finish({ passed: false, kind: 'active', why: 'the body is not the expected one' });
        else finish(verdict ?? networkFailure('no response'));
      },
      onFailure: (why) => finish(networkFailure(why)),
    };
  }

  private verdictOf(status: number, header: (name: string) => string | undefined): ProbeResult {
    const { check, target } = this;
    if (!includes(check.expected, status)) {
      const kind = includes(check.retriable, status) ? 'retriable' : 'active';
      return {
        passed: false,
        kind,
        why: `status ${status}`,
        status,
        excludes: header('x-envoy-immediate-health-check-fail') !== undefined,
      };
    }
    if (check.matchesService) {
      target.cluster.stats.healthCheck.verify_cluster++;
      const service = header('x-envoy-upstream-healthchecked-cluster') ?? '';
      if (!check.matchesService(service)) return { passed: false, kind: 'active', why: `another service answered: ${service}`, status };
    }
    return { passed: true, degraded: header('x-envoy-degraded') !== undefined };
  }

  close(): void {
    this.caller.close();
  }
}
