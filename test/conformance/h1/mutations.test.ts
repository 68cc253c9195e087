// Plan A3: random damage to the requests of A1 and A2, in front of nginx, haproxy and Node. What the upstream's parser counts as
// requests is exactly what the proxy logged, and a canary behind the damage never gets another's answer.
// FUZZ_RUNS and FUZZ_SEED run something else; other seeds also find what one parser alone does not like (nginx: "a..b" as a host).

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import fc from 'fast-check';
import { openRaw } from '../../support/raw-client.ts';
import { accessLogOf, clusterOf, listenerOf } from '../support/configuration.ts';
import { startTarget, type Target } from '../support/target.ts';
import { type Backend, noBackends, startBackends } from './backends.ts';
import { ILLEGAL } from './illegal.ts';
import { LEGAL } from './legal.ts';

const RUNS = Number(process.env.FUZZ_RUNS ?? 20_000);
const SEED = Number(process.env.FUZZ_SEED ?? 20261121);

// Mostly what is legal, so that the damage has a chance to pass.
const PAYLOADS = [...Array.from({ length: 20 }, () => LEGAL).flat(), ...ILLEGAL]
  .map(({ payload }) => payload)
  .filter((payload) => !payload.startsWith('\x16'));
const PIECES = [
  '\r',
  '\n',
  '\0',
  ' ',
  '\t',
  ':',
  ',',
  ';',
  '\r\n',
  '\r\n\r\n',
  '0',
  '1',
  '-1',
  '0x',
  'chunked',
  '\xff',
  '%00',
  '%2f',
  'HTTP/1.0',
  '#',
  '//',
  '\\',
  '@',
];
const LINES = [
  'Content-Length: 3\r\n',
  'Content-Length: 44\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: identity\r\n',
  'Connection: close\r\n',
  'Connection: Content-Length\r\n',
  'Host: b.test\r\n',
  'Expect: 100-continue\r\n',
  'Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
];

const edit = fc.oneof(
  fc.record({ at: fc.nat(400), cut: fc.nat(2), text: fc.constantFrom(...PIECES) }),
  fc.record({ at: fc.nat(400), cut: fc.nat(4), text: fc.nat(255).map((byte) => String.fromCharCode(byte)) }),
  // Behind the first line end, where a header line stands.
  fc.record({ at: fc.constant(-1), cut: fc.constant(0), text: fc.constantFrom(...LINES) }),
);
const damaged = fc.record({
  backend: fc.nat(2),
  payload: fc.constantFrom(...PAYLOADS),
  edits: fc.array(edit, { minLength: 0, maxLength: 3 }),
  split: fc.nat(300),
});
type Damaged = typeof damaged extends fc.Arbitrary<infer T> ? T : never;

function apply({ payload, edits }: Damaged): string {
  let text = payload;
  for (const { at, cut, text: inserted } of edits) {
    const from = at < 0 ? text.indexOf('\n') + 1 : at % (text.length + 1);
    text = text.slice(0, from) + inserted + text.slice(from + cut);
  }
  return text;
}

suite('damaged requests', { skip: noBackends ?? false }, () => {
  let backends: Backend[] = [];
  let target: Target;
  before(async () => {
    backends = await startBackends();
    target = await startTarget(
      backends.map(({ name }, i) => {
        const routes = [{ match: { prefix: '/' }, route: { cluster: name } }];
        return listenerOf({
          name,
          port: 0,
          profile: i === 0 ? 'gateway' : 'inbound',
          routes,
          hcm: {
            access_log: [accessLogOf('%REQ(X-REQUEST-ID)% %RESPONSE_CODE_DETAILS% %UPSTREAM_CLUSTER%')],
            preserve_external_request_id: false,
          },
        });
      }),
      backends.map(({ name, port }) => clusterOf(name, port)),
    );
  });
  after(async () => {
    await target?.close();
    for (const backend of backends) await backend.close();
  });

  test(`${RUNS} of them: no request that nobody logged, no answer of somebody else`, { timeout: 600_000 }, async () => {
    let number = 0;
    await fc.assert(
      fc.asyncProperty(damaged, async (one) => {
        fc.pre(!lacksWebSocketKey(apply(one)));
        number++;
        const canary = `GET /canary-${number} HTTP/1.1\r\nHost: canary.test\r\n\r\n`;
        const text = await exchange(target.portOf(backends[one.backend]!.name), apply(one) + canary, one.split);
        for (const [, seen] of text.matchAll(/x-target: [^\r\n]*canary-(\d+)/g)) assert.equal(Number(seen), number, JSON.stringify(text));
        const answers = text.match(/HTTP\/1\.1 [2-5]\d\d /g) ?? [];
        const last = text.lastIndexOf('HTTP/1.1 ');
        if (text.includes('x-target: /canary-')) assert.ok(text.indexOf('x-target: /canary-') > last, JSON.stringify(text));
        assert.ok(answers.length <= 6, JSON.stringify(text));
      }),
      { numRuns: RUNS, seed: SEED, endOnFailure: true },
    );
    await eventually(() => target.running.proxy.clusters().every(({ stats }) => stats.upstream_rq_active === 0));
    await eventually(() => compare(backends, target), { intervalMs: 200 });
  });
});

/** haproxy refuses such an upgrade (RFC 6455 4.2.1); that is not about where a request begins and ends. */
const lacksWebSocketKey = (text: string): boolean => /websocket/i.test(text) && !/^sec-websocket-key:/im.test(text);

/** How long nothing may come before a request is taken for unfinished. */
const QUIET_MS = 25;

/** Sends it in two pieces; gives everything that came until the canary's answer, the end, or silence. */
async function exchange(port: number, text: string, split: number): Promise<string> {
  const client = await openRaw(port);
  try {
    await client.send([text.slice(0, split), text.slice(split)]);
    for (let before = -1; before !== client.text().length && !client.isClosed(); ) {
      before = client.text().length;
      await client.expectText('x-target: /canary-', QUIET_MS).catch(() => {});
      if (client.text().includes('x-target: /canary-')) break;
    }
    return client.text();
  } finally {
    client.close();
  }
}

function compare(backends: readonly Backend[], target: Target): void {
  for (const { name, requestIds, refusals } of backends) {
    const logged = target.log.map((line) => line.split(' ')).filter(([, , cluster]) => cluster === name);
    const known = new Set(logged.map(([id]) => id));
    const seen = requestIds();
    assert.deepEqual(refusals(), [], `${name} refused what the proxy let pass`);
    assert.equal(new Set(seen).size, seen.length, `${name} saw a request twice`);
    assert.deepEqual(
      seen.filter((id) => !known.has(id)),
      [],
      `${name} saw requests that nobody logged`,
    );
    const answered = logged.filter(([, details]) => details === 'via_upstream').map(([id]) => id!);
    assert.deepEqual(
      answered.filter((id) => !seen.includes(id)),
      [],
      `${name} did not see requests that were answered`,
    );
    assert.ok(seen.length > RUNS / 12, `${name} saw ${seen.length} requests only`);
  }
}
