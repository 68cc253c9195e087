// A gRPC health check: grpc.health.v1.Health/Check.

import type { HealthProbe } from '../runtime/model.ts';
import { HttpCaller } from './http-caller.ts';
import { networkFailure, type Probe, type ProbeResult, type ProbeTarget, probeHeaders } from './probe.ts';

const PATH = '/grpc.health.v1.Health/Check';
const PREFIX_BYTES = 5;
const MAX_ANSWER_BYTES = 1024;
const SERVING = 1;

export class GrpcProbe implements Probe {
  private readonly target: ProbeTarget;
  private readonly check: Extract<HealthProbe, { kind: 'grpc' }>;
  private readonly caller: HttpCaller;

  constructor(target: ProbeTarget, check: Extract<HealthProbe, { kind: 'grpc' }>) {
    this.target = target;
    this.check = check;
    this.caller = new HttpCaller(target, 'HTTP/2');
  }

  start(done: (result: ProbeResult) => void): void {
    const { check, target } = this;
    const pieces: Buffer[] = [];
    let size = 0;
    let status = 0;
    let inHead: string | undefined;
    const failed = (why: string) => done({ passed: false, kind: 'active', why });
    const request = {
      method: 'POST',
      path: PATH,
      authority: target.host.endpoint.healthCheck?.hostname || check.authority || target.hostname,
      headers: [
        ['te', 'trailers'],
        ['content-type', 'application/grpc'],
        ...probeHeaders(check.metadata),
        ['grpc-timeout', `${target.timeoutMs}m`],
      ] as const,
      body: requestMessage(check.serviceName),
    };
    this.caller.call(request, {
      onResponse: (code, header) => {
        status = code;
        inHead = header('grpc-status');
      },
      onData: (bytes) => {
        size += bytes.length;
        // The bytes are lent for the time of the call.
        if (size <= MAX_ANSWER_BYTES) pieces.push(Buffer.from(bytes));
      },
      onEnd: (trailer) => {
        const code = trailer('grpc-status') ?? inHead;
        if (status !== 200) return failed(`status ${status}`);
        if (code !== '0') return failed(`grpc-status ${code ?? 'is missing'}`);
        const serving = servingStatus(Buffer.concat(pieces));
        if (serving === SERVING) done({ passed: true, degraded: false });
        else failed(`serving status ${serving ?? 'is missing'}`);
      },
      onFailure: (why) => done(networkFailure(why)),
    });
  }

  close(): void {
    this.caller.close();
  }
}

/** HealthCheckRequest{service: 1}, in a gRPC frame. */
function requestMessage(serviceName: string): Uint8Array {
  const name = Buffer.from(serviceName, 'utf8').subarray(0, 127);
  const message = name.length === 0 ? name : Buffer.concat([Buffer.of(0x0a, name.length), name]);
  const frame = Buffer.alloc(PREFIX_BYTES + message.length);
  frame.writeUInt32BE(message.length, 1);
  message.copy(frame, PREFIX_BYTES);
  return frame;
}

/** HealthCheckResponse{status: 1}; 0 (UNKNOWN) is not written at all. undefined: not such a message. */
function servingStatus(answer: Buffer): number | undefined {
  if (answer.length < PREFIX_BYTES || answer[0] !== 0) return undefined;
  const length = answer.readUInt32BE(1);
  if (answer.length !== PREFIX_BYTES + length) return undefined;
  if (length === 0) return 0;
  return answer[PREFIX_BYTES] === 0x08 ? answer[PREFIX_BYTES + 1] : undefined;
}
