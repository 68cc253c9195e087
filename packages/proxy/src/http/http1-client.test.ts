import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import test from 'node:test';
import { eventually } from '@lateen/base/testing';
import { cluster, httpListener, routeTo } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { ok, openWire } from '../testing/wire.ts';

// What a hostile upstream sends never reaches the client as it is, and its connection is never used again.

const CL = 'content-length: 2\r\n';

const BROKEN: readonly (readonly [what: string, answer: string])[] = [
  ['length and chunked together', `HTTP/1.1 200 OK\r\n${CL}transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`],
  ['two lengths', `HTTP/1.1 200 OK\r\n${CL}content-length: 3\r\n\r\nhi!`],
  ['a signed length', 'HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nhi'],
  ['an unknown transfer coding', 'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhi'],
  ['a bare LF', 'HTTP/1.1 200 OK\nx: y\r\n\r\n'],
  ['a folded header', `HTTP/1.1 200 OK\r\n${CL}x: a\r\n b\r\n\r\nhi`],
  ['a NUL in a value', `HTTP/1.1 200 OK\r\n${CL}x: a\0b\r\n\r\nhi`],
  ['a space before the colon', `HTTP/1.1 200 OK\r\n${CL}x : a\r\n\r\nhi`],
  ['a status of two digits', `HTTP/1.1 20 OK\r\n${CL}\r\nhi`],
  ['a status of four digits', `HTTP/1.1 2000 OK\r\n${CL}\r\nhi`],
  ['a status below 100', `HTTP/1.1 099 OK\r\n${CL}\r\nhi`],
  ['version 2', `HTTP/2.0 200 OK\r\n${CL}\r\nhi`],
  ['another protocol', 'SSH-2.0-OpenSSH\r\n\r\n'],
  ['a 101 that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\nstuff'],
  ['a flood of 1xx', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(30)],
  ['a head of 100 KB', `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(100_000)}\r\n\r\n`],
  ['two hundred headers', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(200)}\r\n`],
];

test('a broken answer becomes 502, and its connection is not used again', async (t) => {
  for (const [what, answer] of BROKEN) {
    await t.test(what, async () => {
      await onStage(async ({ upstream, apply, log, port }) => {
        const up = await upstream((socket, _received, connection) =>
          socket.write(Buffer.from(connection === 0 ? answer : ok('fine'), 'latin1')),
        );
        await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port])] });
        const wire = await openWire(port());
        wire.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
        await wire.expect('HTTP/1.1 502 Bad Gateway');
        assert.match(log[0]!, /^502 UPE upstream_reset_before_response_started\{protocol_error/);
        wire.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
        await wire.expect('fine');
        assert.equal(up.received.length, 2);
        wire.close();
      });
    });
  }
});

test('bytes after an answer are dropped with their connection: the next client does not get them', async () => {
  await onStage(async ({ upstream, apply, port }) => {
    const up = await upstream((socket, _received, connection) => socket.write(connection === 0 ? ok('one') + ok('planted') : ok('two')));
    await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port])] });
    const wire = await openWire(port());
    wire.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await wire.expect('one');
    wire.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await wire.expect('two');
    assert.ok(!wire.text().includes('planted'));
    wire.close();
  });
});

function joinChunks(text: string): string {
  const lines = text.split('\r\n');
  return lines.filter((_, i) => i % 2 === 1).join('');
}

test('answers arrive whole when the upstream sends them byte by byte', async () => {
  const answers = [
    ok('hello'),
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nx-t: 1\r\n\r\n',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\nhello',
  ];
  for (const answer of answers) {
    await onStage(async ({ upstream, apply, log, port }) => {
      const sendSlowly = async (socket: Socket) => {
        for (const byte of Buffer.from(answer)) {
          socket.write(Buffer.of(byte));
          await new Promise((resolve) => setImmediate(resolve));
        }
        if (answer.includes('HTTP/1.0')) socket.end();
      };
      const up = await upstream((socket) => void sendSlowly(socket));
      await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port])] });
      const wire = await openWire(port());
      wire.send('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
      const text = await wire.closed();
      const [head = '', ...rest] = text.split('\r\n\r\n');
      const body = head.includes('chunked') ? joinChunks(rest.join('\r\n\r\n')) : rest.join('');
      assert.equal(body, 'hello', text);
      await eventually(() => log.length === 1);
      wire.close();
    });
  }
});

test('a method as long as HEAD gets its body framed', async () => {
  await onStage(async ({ upstream, apply, port }) => {
    const up = await upstream((socket) => socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n'));
    await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port])] });
    const wire = await openWire(port());
    wire.send('LINK / HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.match(await wire.expect('hi'), /transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n$/);
    wire.close();
  });
});

test('answers without body stay without: HEAD, 204, 304', async () => {
  await onStage(async ({ upstream, apply, port }) => {
    const up = await upstream((socket, received) => {
      if (!received.endsWith('\r\n\r\n')) return;
      const last = received.trimEnd().split('\r\n\r\n').pop() as string;
      if (last.startsWith('HEAD')) socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n`);
      else if (last.startsWith('GET /204')) socket.write('HTTP/1.1 204 No Content\r\n\r\n');
      else if (last.startsWith('GET /304')) socket.write('HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n');
      else socket.write(ok('end'));
    });
    await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port])] });
    const wire = await openWire(port());
    wire.send(['HEAD /', 'GET /204', 'GET /304', 'GET /last'].map((line) => `${line} HTTP/1.1\r\nhost: a\r\n\r\n`).join(''));
    const text = await wire.expect('\r\n\r\nend');
    assert.deepEqual(
      [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1]),
      ['200', '204', '304', '200'],
    );
    assert.equal(up.received.length, 1);
    wire.close();
  });
});
