import assert from 'node:assert/strict';
import test from 'node:test';
import { createProxy } from './proxy.ts';
import { cluster, httpListener, routeTo, runtimeOf } from './testing/runtime.ts';
import { answering, ok, openWire, startRawServer } from './testing/wire.ts';

test('a request goes through listener, route, cluster and upstream, and its answer comes back', async () => {
  const upstream = await startRawServer(answering(() => ok('hello')));
  const proxy = createProxy();
  try {
    await proxy.apply(runtimeOf({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [upstream.port])] }));
    const wire = await openWire(proxy.addressOf('in')!.port);
    wire.send('GET /a?b=c HTTP/1.1\r\nHost: example.test\r\nUser-Agent: x\r\n\r\n');
    const answer = await wire.expect('hello');
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(answer, /\r\nserver: istio-envoy\r\n/);
    assert.match(answer, /\r\nx-envoy-upstream-service-time: \d+\r\n/);
    assert.match(upstream.received[0]!, /^GET \/a\?b=c HTTP\/1\.1\r\nhost: example\.test\r\nuser-agent: x\r\n/);
    wire.send('GET /second HTTP/1.1\r\nHost: example.test\r\n\r\n');
    await wire.expect('hello'.repeat(1));
    await wire.expect('HTTP/1.1 200 OK');
    wire.close();
  } finally {
    await proxy.close();
    await upstream.close();
  }
});
