import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Head } from '../http/head.ts';
import { parseResponseHead } from '../http/head-parser.ts';
import { outcomeOf } from './grpc-outcome.ts';

function responseWith(lines: string): Head {
  const bytes = Buffer.from(`HTTP/1.1 200 OK\r\n${lines}\r\n`, 'latin1');
  const head = new Head(10);
  head.adopt(bytes, 0, parseResponseHead(head, bytes, 0, bytes.length, { maxBytes: 1000, maxCount: 10 }));
  return head;
}

test('a host is judged by the gRPC status in the head of its answer, if it was asked for gRPC', () => {
  const request = (type: string) => {
    const head = new Head(0);
    head.add('content-type', type);
    return head;
  };
  for (const [type, lines, expected] of [
    ['application/grpc', 'grpc-status: 14\r\n', 503],
    ['application/grpc+proto', 'grpc-status: 5\r\n', 404],
    ['application/grpc', 'grpc-status: 0\r\n', 200],
    ['application/grpc', 'grpc-status: 99\r\n', 500],
    ['application/grpc', '', 200],
    ['text/plain', 'grpc-status: 14\r\n', 200],
  ] as const) {
    assert.equal(outcomeOf(request(type), responseWith(lines)), expected, `${type} ${lines}`);
  }
});
