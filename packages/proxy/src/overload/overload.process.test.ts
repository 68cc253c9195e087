// Plan C4: the heap of a real process is filled; load is taken off, the process lives, and all is well within seconds of its end.

import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import test from 'node:test';
import { eventually } from '@lateen/base/testing';
import { openWire, type Wire } from '../testing/wire.ts';

const GET = 'GET / HTTP/1.1\r\nhost: a.test\r\n\r\n';

async function ask(wire: Wire): Promise<string> {
  const before = wire.text().length;
  wire.send(GET);
  await eventually(() => /\r\n\r\n(ok|envoy overloaded)$/.test(wire.text().slice(before)) || wire.isClosed(), { intervalMs: 5 });
  return wire.text().slice(before);
}

test('load is taken off as the heap fills to 85, 92, 95 and 98 %, and is back within 5 s', { timeout: 90_000 }, async (t) => {
  const child: ChildProcess = fork(join(import.meta.dirname, 'testing/overloaded-proxy.ts'), {
    execArgv: ['--max-old-space-size=256', '--expose-gc'],
  });
  t.after(() => child.kill('SIGKILL'));
  let exit: unknown;
  child.on('exit', (code, signal) => {
    exit = code ?? signal;
  });
  const [{ port, adminPort }] = (await once(child, 'message')) as [{ port: number; adminPort: number }];
  const fill = async (fraction: number) => {
    child.send(fraction);
    await Promise.race([once(child, 'message'), once(child, 'exit').then(() => assert.fail(`the proxy died at ${fraction}`))]);
  };
  const stat = async (name: string) => {
    const text = await (await fetch(`http://127.0.0.1:${adminPort}/stats?filter=${name}`)).text();
    return Number(/: (\d+)\n/.exec(text)?.[1]);
  };
  const action = (name: string) => stat(`overload.envoy.overload_actions.${name}`);

  const idle = await openWire(port);
  assert.doesNotMatch(await ask(idle), /connection: close/);
  await fill(0.88);
  await eventually(async () => assert.ok((await action('reduce_timeouts.scale_percent')) > 0));
  assert.doesNotMatch(await ask(idle), /connection: close/);

  await fill(0.935);
  await eventually(async () => assert.equal(await action('disable_http_keepalive.active'), 1));
  const ended = await openWire(port);
  assert.match(await ask(ended), /200 OK[\s\S]*connection: close/);

  const early = await openWire(port);
  await fill(0.96);
  await eventually(async () => assert.equal(await action('stop_accepting_requests.active'), 1));
  const refusal = await ask(early);
  assert.match(refusal, /^HTTP\/1\.1 503 [\s\S]*envoy overloaded$/);
  const refused = await openWire(port).catch(() => undefined);
  if (refused) await refused.closed();
  await eventually(async () => assert.ok((await stat('listener.*downstream_cx_overload_reject')) >= 1));
  assert.equal((await fetch(`http://127.0.0.1:${adminPort}/ready`)).status, 200, 'the admin interface answers all the time');

  await fill(0.98);
  await eventually(async () => assert.equal(await action('reset_high_memory_stream.active'), 1));
  await fill(0);
  await eventually(
    async () => {
      const wire = await openWire(port);
      const answer = await ask(wire);
      wire.close();
      assert.match(answer, /200 OK/);
      assert.doesNotMatch(answer, /connection: close/);
    },
    { timeoutMs: 5000 },
  );
  assert.equal(exit, undefined);
  for (const wire of [idle, ended, early]) wire.close();
});
