import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStatusHandler, type StatusSource } from './status-server.ts';

test('only who is within the pod may stop or drain its proxy, and only by POST', async () => {
  const acts: string[] = [];
  const status = { quit: () => acts.push('quit'), drain: () => acts.push('drain') } as unknown as StatusSource;
  const handle = createStatusHandler(status);
  const ask = async (method: string, path: string, remoteIp: string) =>
    (await handle({ method, path, remoteIp, query: new URLSearchParams(), headers: {}, rawHeaders: [] })).status;
  for (const path of ['/quitquitquit', '/drain']) {
    for (const ip of ['10.0.0.7', '2001:db8::1', '']) assert.equal(await ask('POST', path, ip), 403, ip);
    assert.equal(await ask('GET', path, '127.0.0.1'), 405);
    assert.deepEqual(acts, []);
    for (const ip of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) assert.equal(await ask('POST', path, ip), 200, ip);
    assert.equal(acts.splice(0).length, 3);
  }
});
