// Plan A5: Expect, CONNECT and Upgrade with early data, WebSocket, bodies where none may be, the upgrade to HTTP/2. Nothing reaches
// the upstream early, and nobody gets out of step.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '@lateen/base/testing';
import { openRaw, type RawClient } from '../../support/raw-client.ts';
import { clusterOf, listenerOf } from '../support/configuration.ts';
import { startTarget, type Target } from '../support/target.ts';
import { type Recorder, startRecorder } from './recorder.ts';
import type { SeenRequest } from './request-reader.ts';
import { startTunnelUpstream, type TunnelUpstream } from './tunnel-upstream.ts';

const HOST = 'Host: a.test\r\n';
const CANARY = `GET /canary HTTP/1.1\r\n${HOST}\r\n`;
const UPGRADE = `${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n`;
const upgrade = (path: string): string => `GET ${path} HTTP/1.1\r\n${UPGRADE}\r\n`;

/** The upstream misbehaves by path. */
function misbehave({ target }: SeenRequest): string | undefined {
  if (target === '/refused') return 'HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno';
  if (target === '/head-with-body') return 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello';
  if (target === '/head') return 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n';
  if (target === '/no-content') return 'HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil';
  if (target === '/not-modified') return 'HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\netag: "a"\r\n\r\n';
  return undefined;
}

suite('Expect, tunnels and bodies', () => {
  let recorder: Recorder;
  let tunnel: TunnelUpstream;
  let target: Target;
  before(async () => {
    recorder = await startRecorder(misbehave);
    tunnel = await startTunnelUpstream();
    const routes = [
      { match: { prefix: '/tunnel' }, route: { cluster: 'tunnel', timeout: '0s' } },
      { match: { prefix: '/' }, route: { cluster: 'up' } },
    ];
    target = await startTarget(
      [listenerOf({ name: 'in', port: 0, profile: 'gateway', routes })],
      [clusterOf('up', recorder.port), clusterOf('tunnel', tunnel.port)],
    );
  });
  after(async () => {
    await target?.close();
    await recorder?.close();
    await tunnel?.close();
  });

  const on = (name: string, run: (client: RawClient) => Promise<void>): void =>
    void test(name, async () => {
      recorder.mark();
      tunnel.forget();
      const client = await openRaw(target.portOf('in'));
      try {
        await run(client);
        assert.deepEqual(recorder.violations, []);
      } finally {
        client.close();
      }
    });
  const statuses = (client: RawClient) => client.answers().map(({ status }) => status);
  const targets = () => recorder.since().requests.map((one) => one.target);

  // --- Expect

  on('Expect: the client is told to go on, and the upstream hears nothing of it', async (client) => {
    await client.send([`POST /x HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`]);
    await client.expectAnswers(1);
    await client.send([`hello${CANARY}`]);
    await client.expectAnswers(3);
    assert.deepEqual(statuses(client), [100, 200, 200]);
    const [seen] = recorder.since().requests;
    assert.equal(seen!.body, 'hello');
    assert.ok(!seen!.headers.some(([name]) => name === 'expect'));
  });
  on('Expect in capital letters with chunks', async (client) => {
    await client.send([`POST /x HTTP/1.1\r\n${HOST}EXPECT: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n`]);
    await client.expectAnswers(1);
    await client.send([`5\r\nhello\r\n0\r\n\r\n${CANARY}`]);
    await client.expectAnswers(3);
    assert.deepEqual(statuses(client), [100, 200, 200]);
  });
  on('Expect without a body is not answered 100', async (client) => {
    await client.send([`GET /x HTTP/1.1\r\n${HOST}Expect: 100-continue\r\n\r\n${CANARY}`]);
    await client.expectAnswers(2);
    assert.deepEqual(statuses(client), [200, 200]);
  });
  on('an unknown expectation is the upstream’s to judge, body and all', async (client) => {
    await client.send([`POST /x HTTP/1.1\r\n${HOST}Expect: the-unexpected\r\nContent-Length: 5\r\n\r\nhello${CANARY}`]);
    await client.expectAnswers(2);
    assert.deepEqual(targets(), ['/x', '/canary']);
  });
  on('Expect in HTTP/1.0 is not answered 100', async (client) => {
    await client.send([`POST /x HTTP/1.0\r\n${HOST}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`]);
    await client.expectFinal();
    assert.deepEqual(statuses(client), [426]);
    assert.equal(recorder.since().bytes, 0);
  });
  on('an answer before the body: the body is not taken for a request', async (client) => {
    await client.send([`POST /%2e%2e/a%00 HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: ${CANARY.length}\r\n\r\n`]);
    assert.equal((await client.expectFinal()).status, 400);
    await client.send([CANARY]);
    assert.notEqual(await client.closedWithin(5000), undefined);
    assert.equal(recorder.since().bytes, 0);
  });

  // --- CONNECT and Upgrade with early data

  on('CONNECT that is not enabled: what follows is not a request', async (client) => {
    await client.send([`CONNECT a.test:443 HTTP/1.1\r\n${HOST}\r\n${CANARY}`]);
    const { status } = await client.expectFinal();
    assert.ok(status >= 400, `${status}`);
    assert.notEqual(await client.closedWithin(5000), undefined);
    assert.equal(recorder.since().bytes, 0);
  });
  on('data before the 101 waits for it', async (client) => {
    await client.send([`${upgrade('/tunnel/late')}early`]);
    await eventually(() => assert.equal(tunnel.connections.length, 1));
    await sleep(100);
    assert.ok(tunnel.connections[0]!.received.endsWith('\r\n\r\n'), tunnel.connections[0]!.received);
    tunnel.accept();
    await client.expectText('EARLY');
  });
  on('data before a refusal never reaches the upstream as a tunnel', async (client) => {
    await client.send([`${upgrade('/refused')}early`]);
    assert.equal((await client.expectFinal()).status, 403);
    await client.closedWithin(5000);
    assert.deepEqual(targets(), ['/refused']);
    assert.deepEqual(recorder.since().cut, []);
  });
  on('a request smuggled behind a refused upgrade is answered as one, or not at all', async (client) => {
    await client.send([upgrade('/refused') + CANARY]);
    // Fails as soon as the connection has ended.
    const isAnswered = await client.expectAnswers(2).then(
      () => true,
      () => false,
    );
    assert.ok(isAnswered || client.isClosed());
    assert.deepEqual(statuses(client), isAnswered ? [403, 200] : [403]);
    assert.deepEqual(targets(), isAnswered ? ['/refused', '/canary'] : ['/refused']);
  });
  on('an upgrade that is not enabled', async (client) => {
    await client.send([`GET /x HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: other\r\n\r\nearly`]);
    assert.equal((await client.expectFinal()).status, 403);
    assert.equal(recorder.since().bytes, 0);
  });
  on('an upgrade with a body', async (client) => {
    await client.send([`POST /tunnel/late HTTP/1.1\r\n${UPGRADE}Content-Length: 5\r\n\r\nhello${CANARY}`]);
    await sleep(150);
    for (const { received } of tunnel.connections) assert.ok(!received.includes('canary'), received);
    assert.equal(recorder.since().bytes, 0);
  });

  // --- WebSocket

  on('WebSocket: both ways', async (client) => {
    await client.send([upgrade('/tunnel')]);
    const { status, headers } = await client.expectFinal();
    assert.deepEqual([status, headers.get('upgrade'), headers.get('connection')?.toLowerCase()], [101, 'websocket', 'upgrade']);
    await client.send(['ping']);
    await client.expectText('PING');
  });
  on('WebSocket: a mebibyte both ways', async (client) => {
    await client.send([upgrade('/tunnel')]);
    await client.expectFinal();
    const mark = client.text().length;
    await client.send(['x'.repeat(1024 * 1024)]);
    await eventually(() => assert.equal(client.text().length - mark, 1024 * 1024));
  });
  on('WebSocket: the upstream hangs up', async (client) => {
    await client.send([upgrade('/tunnel')]);
    await client.expectFinal();
    tunnel.connections[0]!.socket.end('bye');
    await client.expectText('bye');
    assert.notEqual(await client.closedWithin(5000), undefined);
  });
  on('WebSocket: the client hangs up', async (client) => {
    await client.send([upgrade('/tunnel')]);
    await client.expectFinal();
    client.socket.end('last');
    await client.expectText('LAST');
    await eventually(() => assert.ok(tunnel.connections[0]!.ended));
  });
  on('WebSocket after a plain request on the same connection', async (client) => {
    await client.send([CANARY]);
    await client.expectAnswers(1);
    await client.send([upgrade('/tunnel')]);
    await client.expectAnswers(2);
    await client.send(['ping']);
    await client.expectText('PING');
  });
  on('WebSocket in HTTP/1.0', async (client) => {
    await client.send([upgrade('/tunnel').replace('HTTP/1.1', 'HTTP/1.0')]);
    assert.equal((await client.expectFinal()).status, 426);
    assert.equal(tunnel.connections.length, 0);
  });

  // --- bodies where none may be

  const bodiless = (name: string, path: string, status: number, method = 'GET') =>
    on(name, async (client) => {
      await client.send([`${method} ${path} HTTP/1.1\r\n${HOST}\r\n`]);
      await client.expectText('\r\n\r\n');
      await sleep(50);
      const text = client.text();
      assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.equal(text.indexOf('\r\n\r\n') + 4, text.length, text);
      await client.send([CANARY]);
      await client.expectText('GET /canary 0');
      assert.ok(!client.text().includes('evil') && !client.text().includes('hello'), client.text());
    });
  bodiless('HEAD with a length and no body', '/head', 200, 'HEAD');
  bodiless('HEAD answered with a body', '/head-with-body', 200, 'HEAD');
  bodiless('204 with an answer behind it', '/no-content', 204);
  bodiless('304 with a length', '/not-modified', 304);

  // --- the upgrade to HTTP/2

  const H2C = `GET /x HTTP/1.1\r\n${HOST}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`;
  on('h2c is not switched to, and not passed on', async (client) => {
    await client.send([H2C + CANARY]);
    await client.expectAnswers(2);
    assert.deepEqual(statuses(client), [200, 200]);
    const names = recorder.since().requests[0]!.headers.map(([name]) => name);
    assert.ok(!names.includes('upgrade') && !names.includes('http2-settings') && !names.includes('connection'), names.join());
  });
  on('the preface of HTTP/2 behind an h2c upgrade is refused', async (client) => {
    await client.send([`${H2C}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${CANARY}`]);
    await client.expectAnswers(2);
    assert.notEqual(await client.closedWithin(5000), undefined);
    assert.deepEqual(targets(), ['/x']);
    assert.ok(statuses(client)[1]! >= 400);
  });
});
