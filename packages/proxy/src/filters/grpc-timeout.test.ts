import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Head } from '../http/head.ts';
import type { GrpcTimeoutRuntime } from '../runtime/model.ts';
import { grpcDeadlineMs } from './grpc-timeout.ts';

test("a gRPC client's deadline counts up to the route's cap, less its offset", () => {
  const cases: [rules: GrpcTimeoutRuntime, header: string | undefined, expected: number | undefined][] = [
    [{ scope: 'stream', maxMs: 0, offsetMs: 0 }, '250m', 250],
    [{ scope: 'stream', maxMs: 100, offsetMs: 0 }, '2S', 100],
    [{ scope: 'stream', maxMs: 0, offsetMs: 50 }, '1S', 950],
    [{ scope: 'stream', maxMs: 0, offsetMs: 0 }, undefined, undefined],
    [{ scope: 'stream', maxMs: 0, offsetMs: 0 }, 'soon', undefined],
    [{ scope: 'request', maxMs: 100, offsetMs: 0 }, undefined, 100],
    [{ scope: 'request', maxMs: 0, offsetMs: 20 }, '1H', 3_599_980],
    [{ scope: 'request', maxMs: 5000, offsetMs: 20 }, '10m', 10],
  ];
  for (const [rules, header, expected] of cases) {
    const head = new Head(0);
    head.add('content-type', 'application/grpc');
    if (header !== undefined) head.add('grpc-timeout', header);
    assert.equal(grpcDeadlineMs(head, rules, rules.scope), expected, `${JSON.stringify(rules)} ${header}`);
  }
});
