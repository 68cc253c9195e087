import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DescMessage, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { ClusterLoadAssignmentSchema, ClusterSchema, ListenerSchema, RouteConfigurationSchema } from '@lateen/xds/messages/proxy';
import { checkFieldRules } from './field-rules.ts';
import { createReport } from './report.ts';

const host = (rest: object) => ({ virtual_hosts: [{ name: 'v', domains: ['*'], ...rest }] });
const routed = (rest: object) => host({ routes: [{ match: { prefix: '/' }, route: { cluster: 'c', ...rest } }] });

const ROWS: readonly [schema: DescMessage, json: JsonValue, reason: string | undefined][] = [
  [ClusterSchema, { name: 'a', connect_timeout: '0.001s' }, undefined],
  [ClusterSchema, {}, 'name: must not be empty'],
  [ClusterSchema, { name: 'a', connect_timeout: '0s' }, 'connect_timeout: must be larger than 0'],
  [ClusterSchema, { name: 'a', connect_timeout: '-1s' }, 'connect_timeout: must be larger than 0'],
  [
    ClusterSchema,
    { name: 'a', common_http_protocol_options: { idle_timeout: '-1s' } },
    'common_http_protocol_options.idle_timeout: must be at least 0',
  ],
  [ClusterSchema, { name: 'a', dns_refresh_rate: '0.001s' }, 'dns_refresh_rate: must be larger than 1 ms'],
  [ClusterSchema, { name: 'a', type: 77 }, 'type: unknown value 77'],
  [
    ClusterSchema,
    { name: 'a', outlier_detection: { max_ejection_percent: 101 } },
    'outlier_detection.max_ejection_percent: must be at most 100',
  ],
  [
    ClusterSchema,
    { name: 'a', common_lb_config: { healthy_panic_threshold: { value: 'NaN' } } },
    'common_lb_config.healthy_panic_threshold.value: must be at least 0',
  ],
  [ClusterSchema, { name: 'a', health_checks: [{}] }, 'health_checks[0].timeout: is required'],
  [ClusterSchema, { name: 'a', metadata: { filter_metadata: { '': {} } } }, 'metadata.filter_metadata[""]: the key must not be empty'],
  [ClusterSchema, { name: 'a', metadata: { filter_metadata: { __proto__: {} } } }, undefined],
  [ClusterLoadAssignmentSchema, { cluster_name: 'a', endpoints: [{ priority: 128 }] }, undefined],
  [ClusterLoadAssignmentSchema, { cluster_name: 'a', endpoints: [{ priority: 129 }] }, 'endpoints[0].priority: must be at most 128'],
  [
    ClusterLoadAssignmentSchema,
    {
      cluster_name: 'a',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '1.2.3.4', port_value: 65_536 } } } }] }],
    },
    'endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value: must be at most 65535',
  ],
  [
    ListenerSchema,
    { name: 'l', access_log: [{ filter: { and_filter: { filters: [{}] } } }] },
    'access_log[0].filter.and_filter.filters: must have a length of at least 2',
  ],
  [RouteConfigurationSchema, host({}), undefined],
  [RouteConfigurationSchema, host({ domains: [] }), 'virtual_hosts[0].domains: must not be empty'],
  [RouteConfigurationSchema, host({ domains: ['a\nb'] }), 'virtual_hosts[0].domains[0]: must be header text'],
  [
    RouteConfigurationSchema,
    host({ routes: [{ match: { prefix: '/' } }] }),
    'virtual_hosts[0].routes[0]: one of route, redirect, direct_response, filter_action, non_forwarding_action is required',
  ],
  [
    RouteConfigurationSchema,
    host({ routes: [{ match: { path_separated_prefix: '/a/' }, redirect: {} }] }),
    'virtual_hosts[0].routes[0].match.path_separated_prefix: must match ^[^?#]+[^?#/]$',
  ],
  [
    RouteConfigurationSchema,
    host({ routes: [{ match: { prefix: '/' }, direct_response: { status: 600 } }] }),
    'virtual_hosts[0].routes[0].direct_response.status: must be below 600',
  ],
  [RouteConfigurationSchema, routed({}), undefined],
  [RouteConfigurationSchema, routed({ timeout: '-0.001s' }), 'virtual_hosts[0].routes[0].route.timeout: must be at least 0'],
  [RouteConfigurationSchema, routed({ cluster: '' }), 'virtual_hosts[0].routes[0].route.cluster: must not be empty'],
  [
    RouteConfigurationSchema,
    host({ request_headers_to_add: [{ header: { key: 'é'.repeat(8193) } }] }),
    'virtual_hosts[0].request_headers_to_add[0].header.key: must have at most 16384 bytes',
  ],
  [RouteConfigurationSchema, host({ request_headers_to_add: [{}] }), 'virtual_hosts[0].request_headers_to_add[0].header: is required'],
];

for (const [schema, json, reason] of ROWS) {
  test(`${schema.name} ${JSON.stringify(json).slice(0, 120)}: ${reason ?? 'fine'}`, () => {
    const { report, reasons } = createReport('it');
    checkFieldRules(schema, fromJson(schema, json), report);
    assert.equal(reasons[0], reason && `it: ${reason}`);
  });
}

test('what is found at a field that breaks a rule is told once', () => {
  const { report, reasons } = createReport('it');
  report.at('a').break('is required');
  report.at('a').refuse('is wrong as well');
  report.at('b').refuse('is wrong');
  assert.deepEqual(reasons, ['it: a: is required', 'it: b: is wrong']);
});
