// What http_protocol_options and common_http_protocol_options change about HTTP/1.1 on the wire.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock, eventually } from '@lateen/base/testing';
import { cluster, httpListener, routeTo } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { answering, ok, openWire } from '../testing/wire.ts';

const PROPER = { http_protocol_options: { header_key_format: { proper_case_words: {} } } };
const GET = 'GET / HTTP/1.1\r\nhost: a\r\nx-some_odd.name-2b: keep-this As it is\r\n\r\n';

test('proper_case_words: names on both legs begin their words with a capital, values stay', async () => {
  await onStage(async ({ upstream, apply, port }) => {
    const up = await upstream(answering(() => ok('hi', 'x-answer-name: some-value\r\n')));
    await apply({ listeners: [httpListener('in', [routeTo('up')], PROPER)], clusters: [cluster('up', [up.port], PROPER)] });
    const wire = await openWire(port());
    for (const count of [1, 2, 3]) {
      wire.send(GET);
      await eventually(() => assert.equal(wire.text().split('\r\n\r\nhi').length, count + 1));
    }
    assert.match(wire.text(), /\r\nContent-Length: 2\r\nX-Answer-Name: some-value\r\n/);
    const requests = up.received[0]!.split('GET / HTTP/1.1').slice(1);
    assert.equal(requests.length, 3);
    for (const request of requests) assert.match(request, /\r\nHost: a\r\nX-Some_Odd\.Name-2b: keep-this As it is\r\n/);
    assert.doesNotMatch(up.received.join('') + wire.text(), /\r\n[a-z][^\r\n]*:/);
    wire.close();
  });
});

test('trailers pass to and from an upstream that has them enabled, and no other', async () => {
  for (const enable_trailers of [true, false]) {
    await onStage(async ({ upstream, apply, port }) => {
      const up = await upstream((socket, received) => {
        if (received.endsWith('\r\n\r\n') && received.includes('\r\n0\r\n'))
          socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-after: 1\r\n\r\n');
      });
      const hcm = { http_protocol_options: { enable_trailers: true } };
      const fields = { http_protocol_options: { enable_trailers } };
      await apply({ listeners: [httpListener('in', [routeTo('up')], hcm)], clusters: [cluster('up', [up.port], fields)] });
      const wire = await openWire(port());
      wire.send('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nx-sum: 2\r\n\r\n');
      const answer = await wire.expect('0\r\n');
      assert.deepEqual([answer.includes('x-after: 1'), up.received[0]!.includes('x-sum: 2')], [enable_trailers, enable_trailers]);
      wire.close();
    });
  }
});

test('allow_chunked_length: one request goes on, chunked, and the connection ends; nobody else is let through by it', async () => {
  await onStage(async ({ upstream, apply, proxy }) => {
    const up = await upstream((socket, received) => {
      if (received.endsWith('0\r\n\r\n')) socket.write(ok('hi'));
    });
    const hcm = { http_protocol_options: { allow_chunked_length: true } };
    const listeners = [httpListener('in', [routeTo('up')], hcm), httpListener('strict', [routeTo('up')])];
    await apply({ listeners, clusters: [cluster('up', [up.port])] });
    const both = 'POST /1 HTTP/1.1\r\nhost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n';
    for (let round = 0; round < 2; round++) {
      const wire = await openWire(proxy.addressOf('in')!.port);
      wire.send(`${both}GET /2 HTTP/1.1\r\nhost: a\r\n\r\n`);
      const text = await wire.closed();
      assert.match(text, /^HTTP\/1\.1 200 OK\r\n(?:.+\r\n)*connection: close\r\n(?:.+\r\n)*\r\nhi$/);
      const strict = await openWire(proxy.addressOf('strict')!.port);
      strict.send(both);
      assert.match(await strict.closed(), /^HTTP\/1\.1 400 /);
    }
    const sent = up.received.join('');
    assert.equal(sent.match(/ HTTP\/1\.1\r\n/g)?.length, 2);
    assert.equal(sent.match(/POST \/1 HTTP\/1\.1\r\n/g)?.length, 2);
    assert.doesNotMatch(sent, /content-length/i);
  });
});

test('allow_chunked_length of a cluster: the answer is taken by its chunks, and its connection serves nobody else', async () => {
  for (const allow_chunked_length of [true, false]) {
    await onStage(async ({ upstream, apply, port }) => {
      const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n';
      const up = await upstream(answering(() => answer));
      const fields = { http_protocol_options: { allow_chunked_length } };
      await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port], fields)] });
      const wire = await openWire(port());
      for (const count of [1, 2]) {
        wire.send(GET);
        await eventually(() => assert.equal(wire.text().match(/HTTP\/1\.1 (?:200|502) /g)?.length, count));
      }
      assert.equal(wire.text().includes('HTTP/1.1 200'), allow_chunked_length);
      assert.doesNotMatch(wire.text(), /content-length: 9/);
      assert.equal(up.received.length, 2, 'each on a connection of its own');
      wire.close();
    });
  }
});

for (const [target, status] of [
  ['http://b/x', 404],
  ['ftp://b/x', 404],
  ['*', 404],
  ['x', 400],
  ['b:80', 400],
  ['//b/x', 200],
] as const) {
  test(`allow_absolute_url false answers GET ${target} with ${status}`, async () => {
    await onStage(async ({ upstream, apply, port }) => {
      const up = await upstream(answering(() => ok('hi')));
      const hcm = { http_protocol_options: { allow_absolute_url: false } };
      await apply({ listeners: [httpListener('in', [routeTo('up')], hcm)], clusters: [cluster('up', [up.port])] });
      const wire = await openWire(port());
      wire.send(`GET ${target} HTTP/1.1\r\nhost: a\r\n\r\n`);
      await wire.expect(`HTTP/1.1 ${status} `);
      assert.equal(up.received.length, status === 200 ? 1 : 0);
      wire.close();
    });
  });
}

for (const safe of [true, false]) {
  test(`max_connection_duration ${safe ? 'lets the next answer end' : 'ends'} an idle connection with http1_safe_max_connection_duration ${safe}`, async () => {
    const clock = createVirtualClock(1_000_000);
    await onStage(
      async ({ upstream, apply, port }) => {
        const up = await upstream(answering(() => ok('hi')));
        const hcm = { common_http_protocol_options: { max_connection_duration: '5s' }, http1_safe_max_connection_duration: safe };
        await apply({ listeners: [httpListener('in', [routeTo('up')], hcm)], clusters: [cluster('up', [up.port])] });
        const wire = await openWire(port());
        wire.send(GET);
        await wire.expect('hi');
        clock.advance(5100);
        if (safe) {
          wire.send(GET);
          await wire.expect('\r\nconnection: close\r\n');
        }
        const text = await wire.closed();
        assert.equal(text.split('\r\n\r\nhi').length - 1, safe ? 2 : 1);
        wire.close();
      },
      { clock },
    );
  });
}

test('accept_http_10: clients of HTTP/1.0 are answered in HTTP/1.0, also by answers made here', async () => {
  await onStage(async ({ upstream, apply, port }) => {
    const up = await upstream(answering(() => ok('hi')));
    const hcm = { http_protocol_options: { accept_http_10: true } };
    await apply({ listeners: [httpListener('in', [routeTo('up')], hcm)], clusters: [cluster('up', [up.port])] });
    for (const [target, version, status] of [
      ['/', '1.0', 200],
      ['/', '1.1', 200],
      ['/%00', '1.0', 400],
    ] as const) {
      const wire = await openWire(port());
      wire.send(`GET ${target} HTTP/${version}\r\nhost: a\r\n\r\n`);
      assert.ok((await wire.expect('\r\n\r\n')).startsWith(`HTTP/${version} ${status} `), `${target} ${version}`);
      wire.close();
    }
  });
});
