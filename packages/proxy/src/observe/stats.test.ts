import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flagBit, type RequestRecord } from '../http/request-record.ts';
import type { RouteDecision } from '../runtime/index.ts';
import { HttpStats } from './stats.ts';
import { recordOf } from './testdata/record.ts';
import { VirtualHostStats } from './virtual-host-stats.ts';

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
    downstream_rq_completed: 4,
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

test('what filters answer never came to the router; redirects are direct responses; resets of either kind count', () => {
  const stats = new HttpStats();
  const forward = { kind: 'forward' } as RouteDecision;
  const records: Partial<RequestRecord>[] = [
    { decision: forward, responseCode: 418, responseFlags: flagBit('FI'), responseCodeDetails: 'fault_filter_abort' },
    { decision: { kind: 'redirect' } as RouteDecision, responseCode: 301, responseCodeDetails: 'direct_response' },
    { protocol: 'HTTP/2', responseCode: 0, responseFlags: flagBit('DR'), responseCodeDetails: 'http2.remote_reset' },
    { responseCode: 400, responseFlags: flagBit('DPE'), responseCodeDetails: 'http1.codec_error' },
    { responseCode: 200, requestDurationMs: undefined, decision: forward },
    { responseCode: 503, responseFlags: flagBit('OM'), responseCodeDetails: 'overload' },
  ];
  for (const record of records) stats.finish(recordOf(record));
  assert.partialDeepStrictEqual(stats, {
    rq_total: 2,
    rq_direct_response: 1,
    downstream_rq_rx_reset: 2,
    downstream_rq_completed: 5,
    downstream_rq_response_before_rq_complete: 1,
    downstream_rq_overload_close: 1,
    downstream_cx_protocol_error: 1,
  });
});

test('open connections by protocol and by TLS', () => {
  const stats = new HttpStats();
  const [plain, secure] = [
    { bytesRead: 1, bytesWritten: 2 },
    { bytesRead: 10, bytesWritten: 20, tls: {} },
  ];
  stats.connectionOpened('http1', plain);
  stats.connectionOpened('http2', secure);
  assert.deepEqual(stats.computed(), {
    downstream_cx_http1_active: 1,
    downstream_cx_http2_active: 1,
    downstream_cx_ssl_active: 1,
    downstream_cx_rx_bytes_total: 11,
    downstream_cx_tx_bytes_total: 22,
  });
  stats.connectionClosed(5, secure, { endedByPeer: true, brokeOff: false });
  assert.partialDeepStrictEqual(stats.computed(), {
    downstream_cx_http2_active: 0,
    downstream_cx_ssl_active: 0,
    downstream_cx_rx_bytes_total: 11,
  });
  assert.equal(stats.downstream_cx_ssl_total, 1);
});

test('virtual clusters and routes with a prefix count their requests', () => {
  const stats = new VirtualHostStats();
  const virtualHost = { name: 'shop', virtualClusters: [{ name: 'cart', matches: () => true }] };
  const decision = { kind: 'forward', virtualHost, route: { statPrefix: 'r' } } as unknown as RouteDecision;
  stats.count(recordOf({ decision, virtualCluster: 'cart', upstreamAttemptCount: 2 }));
  stats.count(recordOf({ decision, responseCode: 503, responseFlags: flagBit('UF') + flagBit('URX'), responseDurationMs: undefined }));
  const values = Object.fromEntries(stats.values().flatMap(({ name, value }) => (value === 0 ? [] : [[name, value]])));
  assert.deepEqual(values, {
    'vhost.shop.vcluster.cart.upstream_rq_total': 2,
    'vhost.shop.vcluster.cart.upstream_rq_retry': 1,
    'vhost.shop.vcluster.cart.upstream_rq_retry_success': 1,
    'vhost.shop.vcluster.cart.upstream_rq_completed': 1,
    'vhost.shop.vcluster.cart.upstream_rq_200': 1,
    'vhost.shop.vcluster.cart.upstream_rq_2xx': 1,
    'vhost.shop.vcluster.cart.upstream_rq_time': 1,
    'vhost.shop.route.r.upstream_rq_total': 2,
    'vhost.shop.route.r.upstream_rq_retry': 1,
    'vhost.shop.route.r.upstream_rq_retry_success': 1,
    'vhost.shop.route.r.upstream_rq_retry_limit_exceeded': 1,
    'vhost.shop.route.r.upstream_rq_completed': 2,
    'vhost.shop.route.r.upstream_rq_200': 1,
    'vhost.shop.route.r.upstream_rq_503': 1,
    'vhost.shop.route.r.upstream_rq_2xx': 1,
    'vhost.shop.route.r.upstream_rq_5xx': 1,
    'vhost.shop.route.r.upstream_rq_time': 1,
    'vhost.shop.vcluster.other.upstream_rq_retry_limit_exceeded': 1,
    'vhost.shop.vcluster.other.upstream_rq_completed': 1,
    'vhost.shop.vcluster.other.upstream_rq_503': 1,
    'vhost.shop.vcluster.other.upstream_rq_5xx': 1,
  });
});
