// What people use: curl, nghttp, h2load, grpc-js (h2/grpc.test.ts) and a browser, against one proxy, with plaintext and TLS
// listeners in front of HTTP/1.1 and HTTP/2 services.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { createCertificateAuthority } from '@lateen/pki';
import { chromium } from 'playwright-core';
import { chromiumOptions, noChromium } from '../support/chromium.ts';
import { hasProgram, runOk } from '../support/run.ts';
import { clusterOf, downstreamTls, listenerOf } from './support/configuration.ts';
import { startTarget, type Target } from './support/target.ts';

const BIG = 'b'.repeat(300_000);
const PAGE =
  '<!doctype html><title>page</title><script>fetch("/h2/echo",{method:"POST",body:"from the page"}).then(r=>r.text()).then(t=>{document.title=t})</script>';

let target: Target;
let servers: Server[];

before(async () => {
  const http1 = createServer((request, response) => {
    if (request.url === '/page') return void response.setHeader('content-type', 'text/html').end(PAGE);
    if (request.method === 'POST') return void request.pipe(response);
    response.end(request.url === '/big' ? BIG : `http1 ${request.url}`);
  });
  const http2 = createHttp2Server((request, response) => {
    if (request.method === 'POST') return void request.pipe(response);
    response.end(request.url === '/h2/big' ? BIG : `http2 ${request.url}`);
  });
  servers = [http1, http2 as unknown as Server];
  const ports = await Promise.all(
    servers.map(async (server) => {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return (server.address() as AddressInfo).port;
    }),
  );
  const { chainPem, keyPem } = createCertificateAuthority().issueServer(['127.0.0.1', 'localhost']);
  const routes = [
    { match: { prefix: '/h2' }, route: { cluster: 'http2' } },
    { match: { prefix: '/' }, route: { cluster: 'http1' } },
  ];
  const shared = { port: 0, profile: 'gateway', routes } as const;
  target = await startTarget(
    [
      listenerOf({ ...shared, name: 'plain' }),
      listenerOf({ ...shared, name: 'tls', transportSocket: downstreamTls({ cert: chainPem, key: keyPem }) }),
    ],
    [clusterOf('http1', ports[0] as number), clusterOf('http2', ports[1] as number, { http2: true })],
  );
});
after(async () => {
  await target.close();
  for (const server of servers) server.close();
});

const url = (listener: 'plain' | 'tls', path: string) =>
  `${listener === 'tls' ? 'https' : 'http'}://127.0.0.1:${target.portOf(listener)}${path}`;

suite('curl', { skip: (await hasProgram('curl')) ? false : 'curl is not installed' }, () => {
  const rows = [
    { args: ['--http1.1'], listener: 'plain', version: '1.1' },
    { args: ['--http2-prior-knowledge'], listener: 'plain', version: '2' },
    { args: ['--http2'], listener: 'tls', version: '2' },
    { args: ['--http1.1'], listener: 'tls', version: '1.1' },
    // Asks to upgrade to h2c, which is not done; the answer comes in HTTP/1.1.
    { args: ['--http2'], listener: 'plain', version: '1.1' },
  ] as const;
  for (const { args, listener, version } of rows) {
    for (const path of ['/x', '/h2/x', '/big', '/h2/big']) {
      test(`${args.join(' ')} to the ${listener} listener, ${path}`, async () => {
        const out = await runOk('curl', ['-sk', ...args, '-w', '\n%{http_version} %{response_code}', url(listener, path)]);
        const expected = path.endsWith('/big') ? BIG : path.startsWith('/h2') ? 'http2 /h2/x' : 'http1 /x';
        assert.equal(out, `${expected}\n${version} 200`);
      });
    }
  }
  test('an upload of 300 kB comes back, by HTTP/2 in and out', async () => {
    const args = ['-sk', '--http2', '--data-binary', '@-', url('tls', '/h2/echo')];
    assert.equal(await runOk('curl', args, { input: BIG }), BIG);
  });
});

suite('nghttp and h2load', {
  skip: (await hasProgram('h2load')) && (await hasProgram('nghttp')) ? false : 'nghttp2-client is not installed',
}, () => {
  for (const listener of ['plain', 'tls'] as const) {
    test(`nghttp gets both paths on one connection, ${listener}`, async () => {
      const out = await runOk('nghttp', ['-n', '-s', '--no-verify-peer', url(listener, '/x'), url(listener, '/h2/x')]);
      assert.equal(out.match(/\s200\s/g)?.length, 2, out);
    });
    test(`h2load: 2,000 requests on 4 connections, 16 at once, ${listener}`, async () => {
      const out = await runOk('h2load', ['-n', '2000', '-c', '4', '-m', '16', url(listener, '/h2/x')]);
      assert.match(out, /2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout/);
    });
    test(`h2load: 200 bodies of 300 kB, ${listener}`, async () => {
      const out = await runOk('h2load', ['-n', '200', '-c', '2', '-m', '8', url(listener, '/big')]);
      assert.match(out, /200 succeeded, 0 failed, 0 errored, 0 timeout/);
    });
  }
  test('h2load speaks HTTP/1.1', async () => {
    const out = await runOk('h2load', ['--h1', '-n', '1000', '-c', '8', url('plain', '/x')]);
    assert.match(out, /1000 succeeded, 0 failed, 0 errored, 0 timeout/);
  });
});

test('Chromium loads a page and posts by HTTP/2 over TLS', {
  skip: noChromium ?? false,
}, async (t) => {
  const browser = await chromium.launch(chromiumOptions);
  t.after(() => browser.close());
  const page = await browser.newPage({ ignoreHTTPSErrors: true });
  await page.goto(url('tls', '/page'));
  await page.waitForFunction('document.title === "from the page"');
  assert.equal(await page.evaluate('performance.getEntriesByType("navigation")[0].nextHopProtocol'), 'h2');
});
