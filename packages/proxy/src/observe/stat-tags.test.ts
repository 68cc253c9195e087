import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileStatTags, ENVOY_TAGS } from './stat-tags.ts';

const shown = ({ family, labels }: ReturnType<typeof ENVOY_TAGS>) =>
  `${family}{${Object.entries(labels)
    .map(([name, value]) => `${name.replace(/^envoy_/, '')}=${value}`)
    .join(',')}}`;

test("what of a name is a label, as Envoy's exposition has it", () => {
  for (const [name, expected] of [
    ['cluster.ratelimit.upstream_rq_timeout', 'envoy_cluster_upstream_rq_timeout{cluster_name=ratelimit}'],
    ['cluster.static.one.upstream_rq_200', 'envoy_cluster_one_upstream_rq{response_code=200,cluster_name=static}'],
    ['cluster.a.external.upstream_rq_2xx', 'envoy_cluster_external_upstream_rq_xx{response_code_class=2,cluster_name=a}'],
    [
      'cluster.a.ssl.ciphers.ECDHE-RSA-AES128-GCM-SHA256',
      'envoy_cluster_ssl_ciphers{cipher_suite=ECDHE-RSA-AES128-GCM-SHA256,cluster_name=a}',
    ],
    ['listener.127.0.0.1_0.ssl.ciphers.AES256-SHA', 'envoy_listener_ssl_ciphers{ssl_cipher=AES256-SHA,listener_address=127.0.0.1_0}'],
    ['listener.[2001_db8__1]_3543.downstream_cx_total', 'envoy_listener_downstream_cx_total{listener_address=[2001_db8__1]_3543}'],
    ['listener.mine.ssl.versions.TLSv1.3', 'envoy_listener_ssl_versions{ssl_version=TLSv1.3,listener_address=mine}'],
    [
      'listener.127.0.0.1_80.http.in.downstream_rq_5xx',
      'envoy_listener_http_downstream_rq_xx{response_code_class=5,http_conn_manager_prefix=in,listener_address=127.0.0.1_80}',
    ],
    [
      'listener.admin.http.admin.downstream_rq_4xx',
      'envoy_listener_admin_http_downstream_rq_xx{response_code_class=4,http_conn_manager_prefix=admin}',
    ],
    [
      'listener.127.0.0.1_80.worker_1.downstream_cx_total',
      'envoy_listener_worker_downstream_cx_total{worker_id=1,listener_address=127.0.0.1_80}',
    ],
    [
      'http.in.rds.route_config.123.update_success',
      'envoy_http_rds_update_success{http_conn_manager_prefix=in,rds_route_config=route_config.123}',
    ],
    ['http.in.fault.down.aborts_injected', 'envoy_http_fault_aborts_injected{fault_downstream_cluster=down,http_conn_manager_prefix=in}'],
    ['vhost.v.vcluster.c.upstream_rq_200', 'envoy_vhost_vcluster_upstream_rq{response_code=200,virtual_cluster=c,virtual_host=v}'],
    ['vhost.v.route.r.upstream_rq_retry', 'envoy_vhost_route_upstream_rq_retry{virtual_host=v,route=r}'],
    ['tcp.t.downstream_cx_total', 'envoy_tcp_downstream_cx_total{tcp_prefix=t}'],
    ['rl.http_local_rate_limit.ok', 'envoy_http_local_rate_limit_ok{local_http_ratelimit_prefix=rl}'],
    ['proxy_proto.versions.v2.found', 'envoy_proxy_proto_found{proxy_protocol_version=2}'],
    ['server.live', 'envoy_server_live{}'],
    ['vulture.eats-liver', 'envoy_vulture_eats_liver{}'],
  ] as const) {
    assert.equal(shown(ENVOY_TAGS(name)), expected);
  }
});

test('tags of the bootstrap: expressions, fixed values, defaults by name; each tag once', () => {
  const tags = compileStatTags(
    [
      { name: 'fixed', fixedValue: 'f.v' },
      { name: 'cluster_name', regex: '^cluster\\.((.+?(\\..+?\\.svc\\.cluster\\.local)?)\\.)' },
      { name: 'envoy.response_code' },
      { name: 'prefix', regex: '^listener(?=\\.).*?\\.http\\.(((?:[_.[:digit:]]*|[_aAbBcCdDeEfF[:digit:]]*))\\.)' },
      { name: 'one', regex: '(upstream)' },
    ],
    false,
  );
  assert.ok(tags.ok);
  for (const [name, expected] of [
    [
      'cluster.a.b.svc.cluster.local.upstream_rq_200',
      'envoy_cluster__rq{fixed=f.v,response_code=200,one=upstream,cluster_name=a.b.svc.cluster.local}',
    ],
    ['listener.x.http.0.0.0.0_80.downstream_rq_2xx', 'envoy_listener_x_http_downstream_rq_2xx{fixed=f.v,prefix=0.0.0.0_80}'],
  ] as const) {
    assert.equal(shown(tags.value(name)), expected);
  }
  for (const wrong of [{ name: 'nix' }, { name: 'a', regex: '(+' }]) assert.equal(compileStatTags([wrong]).ok, false);
});
