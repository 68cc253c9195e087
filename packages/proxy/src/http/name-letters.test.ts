import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { cluster, httpListener, routeTo } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { answering, ok, openWire } from '../testing/wire.ts';
import { NameLetters } from './name-letters.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig';
const preserving = (fields: object = {}) => ({
  http_protocol_options: {
    header_key_format: { stateful_formatter: { name: 'preserve_case', typed_config: { '@type': TYPE, ...fields } } },
  },
});

const namesOf = (text: string): string[] => [...text.matchAll(/^([^\s:]+): /gm)].map((match) => match[1] as string);

test('names keep their letters in whatever pieces the heads arrive, and each head its own', async () => {
  await onStage(async ({ upstream, apply, port }) => {
    const up = await upstream(answering(() => ok('hi', 'X-AnsWer: 1\r\n')));
    await apply({ listeners: [httpListener('in', [routeTo('up')], preserving())], clusters: [cluster('up', [up.port], preserving())] });
    const wire = await openWire(port());
    const requests = ['X-One', 'x-ONE', 'x-oNe'].map((name) => `GET / HTTP/1.1\r\nHOST: a\r\n${name}: Value\r\n\r\n`);
    for (const [i, request] of [...requests, ...requests].entries()) {
      const step = i < requests.length ? request.length : 7;
      for (let at = 0; at < request.length; at += step) {
        wire.send(request.slice(at, at + step));
        await new Promise((next) => setImmediate(next));
      }
      await eventually(() => assert.equal(wire.text().split('\r\n\r\nhi').length, i + 2));
    }
    wire.send(requests.join(''));
    await eventually(() => assert.equal(wire.text().split('\r\n\r\nhi').length, 10));
    const sent = namesOf(up.received.join('')).filter(
      (name) => !name.startsWith('x-forwarded') && name !== 'x-request-id' && !name.startsWith('x-envoy'),
    );
    assert.deepEqual(
      sent,
      ['X-One', 'x-ONE', 'x-oNe', 'X-One', 'x-ONE', 'x-oNe', 'X-One', 'x-ONE', 'x-oNe'].flatMap((name) => ['HOST', name]),
    );
    assert.equal(wire.text().match(/^X-AnsWer: 1\r$/gm)?.length, 9);
    wire.close();
  });
});

test('a listener without the option shows nothing of the letters that heads had on one with it', async () => {
  await onStage(async ({ upstream, apply, proxy }) => {
    const up = await upstream(answering(() => ok('hi')));
    await apply({
      listeners: [httpListener('in', [routeTo('up')], preserving()), httpListener('plain', [routeTo('up')])],
      clusters: [cluster('up', [up.port])],
    });
    const request = 'GET / HTTP/1.1\r\nHOST: a\r\nX-NAME: 1\r\n\r\n';
    for (const [name, expected] of [
      ['plain', 'x-name'],
      ['in', 'X-NAME'],
      ['plain', 'x-name'],
      ['plain', 'x-name'],
      ['in', 'X-NAME'],
    ] as const) {
      const before = up.received.join('').length;
      const wire = await openWire(proxy.addressOf(name)!.port);
      wire.send(request);
      await wire.expect('hi');
      assert.ok(namesOf(up.received.join('').slice(before)).includes(expected), `${name}: ${up.received.join('').slice(before)}`);
      wire.close();
    }
  });
});

const letters = (text: string, how: { forwardReasonPhrase?: boolean; ownInProperCase?: boolean } = {}) => {
  const made = new NameLetters({ forwardReasonPhrase: false, ownInProperCase: false, ...how });
  made.begin(Buffer.from(text, 'latin1'), 0);
  return made;
};

for (const [raw, expected] of [
  ['HTTP/1.1 200 Fine By Me\r\n', 'HTTP/1.1 200 Fine By Me\r\n'],
  ['HTTP/1.0 200 Fine \t \r\n', 'HTTP/1.1 200 Fine\r\n'],
  ['HTTP/1.1 200 \xe0\xa0\r\n', 'HTTP/1.1 200 \xe0\xa0\r\n'],
  ['HTTP/1.1 200 \r\n', 'HTTP/1.1 200 OK\r\n'],
  ['HTTP/1.1 200   \r\n', 'HTTP/1.1 200 OK\r\n'],
  ['HTTP/1.1 200\r\nX-A: b\r\n', 'HTTP/1.1 200 OK\r\n'],
] as const) {
  test(`forward_reason_phrase makes ${JSON.stringify(raw)} ${JSON.stringify(expected)}`, () => {
    assert.equal(letters(raw, { forwardReasonPhrase: true }).statusLine('HTTP/1.1 200 OK\r\n'), expected);
    assert.equal(letters(raw).statusLine('HTTP/1.1 200 OK\r\n'), 'HTTP/1.1 200 OK\r\n');
  });
}

test('only letters of names ever change, whatever the bytes that were kept say', () => {
  const kept = letters('X-OnE: x\r\nABC\0\r\nY\r\n', { ownInProperCase: true });
  const head = { count: 3, spans: Int32Array.of(0, 5, 7, 8, 10, 15, 0, 0, 12, 400, 0, 0) };
  const text = 'x-one: a: b\r\nabc: ABC\r\nx-own-2a: x-one\r\n';
  const out = Buffer.from(`#${text}x-one: behind\r\n`, 'latin1');
  kept.restore(out, { start: 1, end: 1 + text.length }, head);
  assert.equal(out.toString('latin1'), '#X-OnE: a: b\r\nAbc: ABC\r\nX-Own-2a: x-one\r\nx-one: behind\r\n');
});
