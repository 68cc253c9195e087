// A client that pipelines requests and reads no answer must not fill the proxy's memory.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { httpListener } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { openWire } from '../testing/wire.ts';

const ANSWER_BYTES = 4000;
const REQUESTS = 10_000;

test('pipelined requests wait until their client reads the answers before them, and none is lost', async () => {
  await onStage(async ({ apply, port, log }) => {
    const says = { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'y'.repeat(ANSWER_BYTES) } } };
    await apply({ listeners: [httpListener('in', [says])] });
    const wire = await openWire(port());
    wire.socket.pause();
    wire.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(REQUESTS));
    let served = -1;
    while (served !== log.length) {
      served = log.length;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    // What the kernel holds is no more than a few megabytes.
    assert.ok(served > 10 && served < REQUESTS / 2, `${served}`);
    wire.socket.resume();
    for (let i = 0; i < 200 && log.length < REQUESTS; i++) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(log.length, REQUESTS);
    wire.close();
  });
});
