import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { httpListener, routeTo } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';

test('a host is reached at the first of its addresses that answers', () =>
  onStage(async ({ apply, port, proxy }) => {
    const server = createServer((_request, response) => response.end('hello'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const at = (address: string, port_value: number) => ({ address: { socket_address: { address, port_value } } });
    try {
      const { port: upPort } = server.address() as AddressInfo;
      // Nobody listens there.
      const endpoint = { ...at('127.0.0.8', upPort), additional_addresses: [at('127.0.0.1', upPort)] };
      const load_assignment = { cluster_name: 'up', endpoints: [{ lb_endpoints: [{ endpoint }] }] };
      await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [{ name: 'up', connect_timeout: '1s', load_assignment }] });
      assert.equal(await (await fetch(`http://127.0.0.1:${port()}/`)).text(), 'hello');
      const { stats } = proxy.clusters()[0]!;
      assert.deepEqual([stats.membership_total, stats.upstream_cx_connect_fail], [1, 0]);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  }));
