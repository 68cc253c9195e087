import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flagBit, type RequestRecord } from '../http/request-record.ts';
import { Counters } from '../listener/counters.ts';
import type { RouteDecision } from '../runtime/index.ts';
import { HttpStats } from './stats.ts';
import { recordOf } from './testdata/record.ts';
import { countOfVirtualHost } from './virtual-host-stats.ts';

test('a connection manager counts what came of requests', () => {
  const stats = new HttpStats();
  stats.connectionOpened('http2', { bytesRead: 0, bytesWritten: 0 });
  const records: Partial<RequestRecord>[] = [
    {},
    { protocol: 'HTTP/2', responseCode: 503, responseFlags: flagBit('NC'), responseCodeDetails: 'cluster_not_found' },
    { responseCode: 413, responseCodeDetails: 'request_payload_too_large' },
    { responseCode: 0, responseFlags: flagBit('DC'), responseCodeDetails: 'downstream_remote_disconnect' },
    { responseCode: 404, responseFlags: flagBit('NR'), decision: { kind: 'not_found' } as RouteDecision },
  ];
  for (const record of records) stats.finish(recordOf(record));
  assert.partialDeepStrictEqual(stats, {
    downstream_cx_http2_total: 1,
    downstream_rq_completed: 5,
    downstream_rq_http1_total: 4,
    downstream_rq_2xx: 1,
    downstream_rq_4xx: 2,
    downstream_rq_5xx: 1,
    no_cluster: 1,
    no_route: 1,
    downstream_rq_too_large: 1,
    downstream_rq_rx_reset: 1,
  });
});

test('virtual clusters and routes with a prefix count their requests', () => {
  const counters = new Counters();
  const virtualHost = { name: 'shop', virtualClusters: [{ name: 'cart', matches: () => true }] };
  const decision = { kind: 'forward', virtualHost, route: { statPrefix: 'r' } } as unknown as RouteDecision;
  countOfVirtualHost(recordOf({ decision, virtualCluster: 'cart', upstreamAttemptCount: 2 }), counters);
  countOfVirtualHost(recordOf({ decision, responseCode: 503 }), counters);
  assert.deepEqual(Object.fromEntries(counters.entries()), {
    'vhost.shop.vcluster.cart.upstream_rq_total': 2,
    'vhost.shop.vcluster.cart.upstream_rq_retry': 1,
    'vhost.shop.vcluster.cart.upstream_rq_completed': 1,
    'vhost.shop.vcluster.cart.upstream_rq_200': 1,
    'vhost.shop.vcluster.cart.upstream_rq_2xx': 1,
    'vhost.shop.route.r.upstream_rq_total': 3,
    'vhost.shop.route.r.upstream_rq_retry': 1,
    'vhost.shop.route.r.upstream_rq_completed': 2,
    'vhost.shop.route.r.upstream_rq_200': 1,
    'vhost.shop.route.r.upstream_rq_2xx': 1,
    'vhost.shop.vcluster.other.upstream_rq_total': 1,
    'vhost.shop.vcluster.other.upstream_rq_completed': 1,
    'vhost.shop.vcluster.other.upstream_rq_503': 1,
    'vhost.shop.vcluster.other.upstream_rq_5xx': 1,
    'vhost.shop.route.r.upstream_rq_503': 1,
    'vhost.shop.route.r.upstream_rq_5xx': 1,
  });
});
