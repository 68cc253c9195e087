// Plan A1 and A2: what cannot be understood in one way only never reaches the upstream; what can, reaches it once, in canonical form.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '@lateen/base/testing';
import { DELIVERIES, type Delivery, openRaw, piecesOf } from '../../support/raw-client.ts';
import { accessLogOf, clusterOf, listenerOf, PROFILES, type Profile } from '../support/configuration.ts';
import { startTarget, type Target } from '../support/target.ts';
import { ILLEGAL, type Illegal } from './illegal.ts';
import { LEGAL, type Legal } from './legal.ts';
import { type Recorder, startRecorder } from './recorder.ts';

const CANARY = 'GET /canary HTTP/1.1\r\nHost: canary.test\r\n\r\n';

for (const profile of PROFILES) {
  suite(`HTTP/1.1 requests, ${profile}`, () => {
    let recorder: Recorder;
    let target: Target;
    before(async () => {
      recorder = await startRecorder();
      const hcm = { access_log: [accessLogOf('%RESPONSE_CODE% %RESPONSE_FLAGS%')] };
      target = await startTarget([listenerOf({ name: 'in', port: 0, profile, hcm })], [clusterOf('up', recorder.port)]);
    });
    after(async () => {
      await target?.close();
      await recorder?.close();
    });
    for (const delivery of DELIVERIES) {
      for (const one of ILLEGAL) {
        test(`illegal, ${delivery}: ${one.name}`, () => refuses({ recorder, target, delivery }, one));
      }
      for (const one of LEGAL) {
        test(`legal, ${delivery}: ${one.name}`, () => forwards({ recorder, target, delivery, profile }, one));
      }
    }
    test('the access log has one line for each request, refused ones too', async () => {
      const closing = LEGAL.filter(({ closes }) => closes).length;
      const good = (LEGAL.length * 2 - closing) * DELIVERIES.length;
      // Lines are written in batches.
      await eventually(() => target.log.length >= good + ILLEGAL.length * DELIVERIES.length);
      assert.equal(target.log.filter((line) => line === '200 -').length, good);
      const others = target.log.filter((line) => line !== '200 -');
      assert.equal(others.length, ILLEGAL.length * DELIVERIES.length);
      // The codec's own refusals carry the flag; Envoy sets none where the head was readable (no Host, a bad target).
      assert.ok(
        others.every((line) => / (?:DPE|-)$/.test(line)),
        [...new Set(others)].join(),
      );
    });
  });
}

test('the tables have the counts of the plan', () => {
  assert.equal(ILLEGAL.length * PROFILES.length * DELIVERIES.length, 720);
  assert.equal(LEGAL.length * PROFILES.length * DELIVERIES.length, 180);
  assert.equal(new Set([...ILLEGAL, ...LEGAL].map(({ payload }) => payload)).size, ILLEGAL.length + LEGAL.length);
});

type Run = { recorder: Recorder; target: Target; delivery: Delivery };

async function refuses({ recorder, target, delivery }: Run, { payload, status, torso }: Illegal): Promise<void> {
  recorder.mark();
  const client = await openRaw(target.portOf('in'));
  try {
    await client.send(piecesOf(payload + CANARY, delivery));
    const [answer] = await client.expectAnswers(1);
    assert.equal(answer!.status, status, client.text());
    assert.notEqual(await client.closedWithin(5000), undefined, 'the connection stays open');
    assert.equal(client.answers().length, 1, client.text());
    const { requests, bytes, cut } = recorder.since();
    assert.deepEqual(requests, [], 'a complete request went upstream');
    if (!torso) assert.equal(bytes, 0, cut.join());
    else await assertTorso(recorder, payload);
    assert.deepEqual(recorder.violations, []);
  } catch (error) {
    // What went through shall not be taken for the next row's.
    await sleep(50);
    throw error;
  } finally {
    client.close();
  }
}

/** What went upstream is a part of this request only, and its connection has ended. */
async function assertTorso(recorder: Recorder, payload: string): Promise<void> {
  for (const connection of recorder.connections) {
    if (connection.readTo === connection.received.length) continue;
    assert.match(connection.received.slice(connection.readTo), /^POST \/x HTTP\/1\.1\r\n/, payload);
    await eventually(() => assert.ok(connection.ended, 'the upstream connection of a broken request stays open'), { intervalMs: 5 });
  }
}

async function forwards({ recorder, target, delivery, profile }: Run & { profile: Profile }, one: Legal): Promise<void> {
  recorder.mark();
  const client = await openRaw(target.portOf('in'));
  try {
    await client.send(piecesOf(one.closes ? one.payload : one.payload + CANARY, delivery));
    const answers = await client.expectFinals(one.closes ? 1 : 2);
    assert.deepEqual(
      answers.map(({ status, headers }) => `${status} ${headers.get('x-target')}`),
      [`200 ${one.target ?? '/x'}`, ...(one.closes ? [] : ['200 /canary'])],
    );
    if (one.closes) assert.notEqual(await client.closedWithin(5000), undefined, 'the connection stays open');
    assertSeen(recorder, one, profile);
  } finally {
    client.close();
  }
}

function assertSeen(recorder: Recorder, one: Legal, profile: Profile): void {
  const { requests, cut } = recorder.since();
  assert.deepEqual(recorder.violations, []);
  assert.deepEqual(cut, []);
  assert.equal(requests.length, one.closes ? 1 : 2);
  const [seen] = requests;
  const { method = 'GET', target = '/x', host = 'a.test', framing = 'none', body = '' } = one;
  const value = (name: string) => seen!.headers.filter(([key]) => key === name).map(([, text]) => text);
  assert.deepEqual([seen!.method, seen!.target, seen!.framing, seen!.body], [method, target, framing, body]);
  assert.deepEqual(value('host'), [host]);
  assert.deepEqual(seen!.trailers, []);
  const lines = seen!.headers.map(([name, text]) => `${name}: ${text}`);
  for (const line of one.sees ?? []) assert.ok(lines.includes(line), `${line} is missing in ${seen!.raw}`);
  for (const name of [...(one.misses ?? []), 'connection', 'te']) assert.deepEqual(value(name), [], seen!.raw);
  assert.equal(value('x-forwarded-for').length, profile === 'gateway' ? 1 : 0);
}
