import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import { distributorRoutes } from '../gophers/src/gopher-distributor.ts';
import { requesterRoutes } from '../gophers/src/gopher-requester.ts';
import { helloworldRoutes } from '../helloworld/src/helloworld.ts';
import { httpbinRoutes } from '../httpbin/src/httpbin.ts';
import { createEchoServer } from '../tcp-echo/src/tcp-echo.ts';
import { runApp } from './running-app.ts';

test("gophers answer with the tutorial's line", async (t) => {
  for (const { version, expected } of [
    { version: '1', expected: /^Request >> Gopher Version 1 from pod p\n$/ },
    { version: '2', expected: /^Request >> Gopher Version 2 from pod p \([0-9a-f]{16}\)\n$/ },
  ]) {
    const distributorUrl = await runApp(t, distributorRoutes({ version, podName: 'p' }));
    const requester = await runApp(t, requesterRoutes({ distributorUrl }));
    assert.match(await (await fetch(requester)).text(), expected);
  }
  const lonely = await runApp(t, requesterRoutes({ distributorUrl: 'http://127.0.0.1:1' }));
  assert.equal((await fetch(lonely)).status, 502);
});

test('helloworld names version and instance', async (t) => {
  const base = await runApp(t, helloworldRoutes({ version: 'v1', instance: 'i' }));
  assert.equal(await (await fetch(`${base}/hello`)).text(), 'Hello version: v1, instance: i\n');
});

test('tcp-echo prefixes each line, also the last one without a newline', async (t) => {
  const server = createEchoServer('one');
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.end('a\nb\nc');
  await once(socket, 'end');
  assert.equal(text, 'one a\none b\none c\n');
});

test('httpbin says back what it was asked', async (t) => {
  const base = await runApp(t, httpbinRoutes);
  const cases: { path: string; init?: RequestInit; status: number; body?: RegExp }[] = [
    { path: '/get?a=1&a=2', status: 200, body: /"args":\{"a":\["1","2"\]\}/ },
    { path: '/headers', init: { headers: { 'x-one': '1' } }, status: 200, body: /"X-One":\["1"\]/ },
    { path: '/post', init: { method: 'POST', body: '{"k":1}' }, status: 200, body: /"json":\{"k":1\}/ },
    { path: '/anything/deep/path', init: { method: 'PUT', body: 'x' }, status: 200, body: /"data":"x"/ },
    { path: '/status/418', status: 418 },
    { path: '/status/999', status: 400 },
    { path: '/bytes/10', status: 200, body: /^[\s\S]{1,10}$/ },
    { path: '/redirect/2', status: 200, body: /"args"/ },
    { path: '/redirect-to?url=a%0d%0ab', status: 400 },
    { path: '/basic-auth/u/p', status: 401 },
    { path: '/basic-auth/u/p', init: { headers: { authorization: `Basic ${btoa('u:p')}` } }, status: 200 },
    { path: '/base64/aGk=', status: 200, body: /^hi$/ },
    { path: '/gzip', status: 200, body: /"gzipped":true/ },
    { path: '/nothing', status: 404 },
  ];
  for (const { path, init, status, body } of cases) {
    const response = await fetch(base + path, init);
    const text = await response.text();
    assert.equal(response.status, status, `${path}: ${text}`);
    if (body) assert.match(text, body, path);
  }
});
