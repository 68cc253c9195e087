import assert from 'node:assert/strict';
import { test } from 'node:test';
import { httpListener, routeTo } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { answering, ok, openWire } from '../testing/wire.ts';

const ROWS: readonly [name: string, header: (port: number) => string, status: number, invalid: number][] = [
  ['the header names the host', (port) => `x-to: 127.0.0.1:${port}\r\n`, 200, 0],
  ['without a header, a connection that was made to the proxy itself has no destination', () => '', 503, 0],
  ['a header without a port', () => 'x-to: 127.0.0.1\r\n', 503, 1],
  ['a header with a name', (port) => `x-to: localhost:${port}\r\n`, 503, 1],
  ['a header with two addresses', (port) => `x-to: 127.0.0.1:${port},127.0.0.1:${port}\r\n`, 503, 1],
];

for (const [name, header, status, invalid] of ROWS) {
  test(`ORIGINAL_DST: ${name}`, async () => {
    await onStage(async (stage) => {
      const up = await stage.upstream(answering(() => ok('fine')));
      const lb = { original_dst_lb_config: { use_http_header: true, http_header_name: 'X-To' } };
      await stage.apply({
        listeners: [httpListener('in', [routeTo('original')])],
        clusters: [{ name: 'original', type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '1s', ...lb }],
      });
      const wire = await openWire(stage.port());
      wire.send(`GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${header(up.port)}\r\n`);
      assert.match(await wire.expect(status === 200 ? 'fine' : 'no healthy upstream'), new RegExp(`^HTTP/1.1 ${status} `));
      wire.close();
      const { stats } = stage.proxy.clusters()[0]!;
      assert.deepEqual([stats.original_dst_host_invalid, stats.upstream_cx_none_healthy], [invalid, status === 200 ? 0 : 1]);
      assert.deepEqual([stats.membership_total, stats.membership_healthy], status === 200 ? [1, 1] : [0, 0]);
    });
  });
}
