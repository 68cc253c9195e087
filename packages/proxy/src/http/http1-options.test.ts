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
