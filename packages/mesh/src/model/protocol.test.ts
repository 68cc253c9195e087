import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Protocol, selectProtocol } from './protocol.ts';

const cases: [port: Parameters<typeof selectProtocol>[0], protocol: Protocol][] = [
  [{ name: 'http', port: 80 }, 'HTTP'],
  [{ name: 'http-web', port: 80 }, 'HTTP'],
  [{ name: 'HTTP2-x', port: 80 }, 'HTTP2'],
  [{ name: 'grpc-web', port: 80 }, 'GRPC-Web'],
  [{ name: 'grpc-web-x', port: 80 }, 'GRPC-Web'],
  [{ name: 'grpc-webby', port: 80 }, 'GRPC'],
  [{ name: 'httpserver', port: 80 }, 'Sniffed'],
  [{ port: 80 }, 'Sniffed'],
  [{ port: 3306 }, 'MySQL'],
  [{ name: 'tcp-x', port: 27017 }, 'TCP'],
  [{ name: 'http', port: 80, appProtocol: 'kubernetes.io/h2c' }, 'HTTP2'],
  [{ name: 'http', port: 80, appProtocol: 'mongo' }, 'Mongo'],
  [{ name: 'http', port: 80, appProtocol: 'example.com/own' }, 'HTTP'],
  [{ name: 'http', port: 80, protocol: 'UDP' }, 'UDP'],
  [{ name: 'constructor', port: 80 }, 'Sniffed'],
];

for (const [port, protocol] of cases) {
  test(`${JSON.stringify(port)} is ${protocol}`, () => assert.equal(selectProtocol(port).protocol, protocol));
}
