// Plan C4: the heap of a proxy with 256 MiB is filled. It sheds load in steps, never dies, and recovers within five seconds.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '@lateen/base/testing';
import { openRaw, type RawClient } from '../support/raw-client.ts';
import { type Recorder, startRecorder } from './h1/recorder.ts';
import { type ChildTarget, startChildTarget } from './support/child-target.ts';
import { probe } from './support/clients.ts';
import { clusterOf, listenerOf } from './support/configuration.ts';

const REQUEST = 'GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n';
/** The overload manager looks every second. */
const LOOKED_MS = 1500;

/** What each level must do; `refused`: a connection that is taken is not served either. */
const LEVELS: readonly { share: number; keepsAlive: boolean; serves: boolean }[] = [
  { share: 0.88, keepsAlive: true, serves: true },
  { share: 0.935, keepsAlive: false, serves: true },
  { share: 0.96, keepsAlive: false, serves: false },
  { share: 0.98, keepsAlive: false, serves: false },
];

suite('a heap that fills', () => {
  let recorder: Recorder;
  let target: ChildTarget;
  before(async () => {
    recorder = await startRecorder();
    target = await startChildTarget([listenerOf({ name: 'in', port: 0, profile: 'gateway' })], [clusterOf('up', recorder.port)], {
      execArgv: ['--max-old-space-size=256'],
    });
  });
  after(async () => {
    await target?.close();
    await recorder?.close();
  });
  for (const { share, keepsAlive, serves } of LEVELS) {
    test(`at ${share * 100} %`, { timeout: 20_000 }, async () => {
      const client = await openRaw(target.portOf('in'));
      try {
        await ask(client, 1);
        await target.fill(share);
        if (keepsAlive) await sleep(LOOKED_MS);
        else await eventually(async () => assert.equal(await keptAlive(target), false));
        if (serves) {
          const answer = await ask(client, 2);
          assert.equal(answer.status, 200, client.text());
          assert.equal(answer.headers.get('connection'), keepsAlive ? undefined : 'close');
          assert.equal(await outcome(target), 200);
        } else {
          await eventually(async () => assert.equal(await outcome(target), 'refused'));
          // Unless the shortened idle timeout has ended the connection before.
          if (!client.isClosed()) assert.equal((await ask(client, 2)).status, 503, client.text());
        }
      } finally {
        client.close();
        await target.fill(0);
      }
      await recovered(target);
    });
  }
});

async function ask(client: RawClient, count: number) {
  await client.send([REQUEST]);
  return (await client.expectAnswers(count))[count - 1]!;
}

/** Whether a new connection outlives its first answer; one that is refused does not. */
async function keptAlive(target: ChildTarget): Promise<boolean> {
  const client = await openRaw(target.portOf('in')).catch(() => undefined);
  const answer = client && (await ask(client, 1).catch(() => undefined));
  client?.close();
  return answer !== undefined && answer.headers.get('connection') !== 'close';
}

const outcome = (target: ChildTarget): Promise<number | 'refused'> =>
  probe(target.portOf('in')).then(
    ({ status }) => (status === 503 ? 'refused' : status),
    () => 'refused' as const,
  );

async function recovered(target: ChildTarget): Promise<void> {
  await eventually(async () => assert.equal(await outcome(target), 200), { timeoutMs: 5000, intervalMs: 0 });
  assert.ok(!target.hasDied());
}
