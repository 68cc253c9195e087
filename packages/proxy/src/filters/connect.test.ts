import assert from 'node:assert/strict';
import test from 'node:test';
import { eventually, freePort } from '@lateen/base/testing';
import { cluster, httpListener } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { exchangeOnce, openWire } from '../testing/wire.ts';

const HEAD = 'CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\n';
const route = (upgrade: object) => ({
  match: { connect_matcher: {} },
  route: { cluster: 'up', upgrade_configs: [{ upgrade_type: 'CONNECT', ...upgrade }] },
});

test('CONNECT that ends here: the payload is a TCP connection of its own, both ways, and its end', async () => {
  await onStage(async ({ upstream, apply, log, port }) => {
    const up = await upstream((socket, received) => {
      if (received.endsWith('ping')) socket.write('pong');
    });
    await apply({ listeners: [httpListener('in', [route({ connect_config: {} })])], clusters: [cluster('up', [up.port])] });
    const wire = await openWire(port());
    wire.send(`${HEAD}early`);
    const answer = await wire.expect('\r\n\r\n');
    assert.match(answer, /^HTTP\/1\.1 200 /);
    assert.doesNotMatch(answer, /content-length|transfer-encoding/);
    await eventually(() => assert.deepEqual(up.received, ['early']));
    wire.send('ping');
    await wire.expect('pong');
    wire.socket.end();
    await wire.closed();
    await eventually(() => assert.equal(log.length, 1));
    assert.match(log[0] ?? '', /^200 DC downstream_remote_disconnect/, 'as Envoy tells who went first');
  });
});

test('CONNECT that is forwarded: nothing passes before the upstream agreed', async () => {
  await onStage(async ({ upstream, apply, port }) => {
    const up = await upstream((socket, received) => {
      if (received.endsWith('\r\n\r\n')) setTimeout(() => socket.write('HTTP/1.1 200 OK\r\n\r\nfirst'), 30);
      if (received.endsWith('ping')) socket.write('pong');
    });
    await apply({ listeners: [httpListener('in', [route({})])], clusters: [cluster('up', [up.port])] });
    const wire = await openWire(port());
    wire.send(`${HEAD}early`);
    await eventually(() => up.received.length === 1);
    assert.match(up.received[0] ?? '', /^CONNECT a\.test:443 HTTP\/1\.1\r\n/);
    assert.ok(!up.received[0]?.includes('early'));
    await wire.expect('first');
    await eventually(() => assert.ok(up.received[0]?.endsWith('early')));
    wire.send('ping');
    await wire.expect('pong');
    wire.close();
  });
});

test('CONNECT is refused where it is not enabled, with a body, and when nobody is there', async () => {
  const dead = await freePort();
  await onStage(async ({ apply, port }) => {
    await apply({
      listeners: [httpListener('in', [route({ enabled: false })])],
      clusters: [cluster('up', [dead])],
    });
    assert.match(await exchangeOnce(port(), HEAD), /^HTTP\/1\.1 403 /);
    assert.match(await exchangeOnce(port(), HEAD.replace('\r\n\r\n', '\r\ncontent-length: 3\r\n\r\nabc')), /^HTTP\/1\.1 400 /);
  });
  await onStage(async ({ apply, log, port }) => {
    await apply({ listeners: [httpListener('in', [route({ connect_config: {} })])], clusters: [cluster('up', [dead])] });
    assert.match(await exchangeOnce(port(), HEAD), /^HTTP\/1\.1 503 /);
    assert.match(log[0] ?? '', /^503 UF upstream_reset_before_response_started\{remote_connection_failure/);
  });
});
