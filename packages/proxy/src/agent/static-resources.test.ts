import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseBootstrap } from '../ads/bootstrap.ts';
import { checkBootstrap } from './static-resources.ts';

const cluster = (name: string, rest = '') => `{name: ${name}, type: STATIC, connect_timeout: 1s${rest}}`;
const of = (...clusters: string[]) => `static_resources: {clusters: [${clusters.join(', ')}]}`;

test('a text is merged as protocol buffers merge: lists are joined, values replaced', () => {
  const { node, clusters, admin } = parseBootstrap(
    `node: {id: a, cluster: b, locality: {region: r, zone: z}}\n${of(cluster('one'))}\nadmin: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}`,
    'file',
    {
      overlay: `${of(cluster('two'))}\nadmin: {address: {socket_address: {address: 127.0.0.2, port_value: 2}}}`,
      nodeId: 'c',
      nodeZone: 'y',
    },
  );
  assert.deepEqual([node?.id, node?.cluster, node?.locality?.region, node?.locality?.zone], ['c', 'b', 'r', 'y']);
  assert.deepEqual(
    clusters.map(({ name }) => name),
    ['one', 'two'],
  );
  assert.deepEqual(admin, { host: '127.0.0.2', port: 2 });
});

test('a text that cannot be merged is told apart from the file', () => {
  assert.throws(() => parseBootstrap('', 'file', { overlay: 'nope: 1' }), { code: 'LAT4001', message: /the text merged into it.*"nope"/s });
});

test('a check compiles everything, binds nothing and tells every reason', () => {
  const good = of(cluster('one'));
  checkBootstrap(parseBootstrap(good, 'file'), {});
  const bad = of(cluster('one', ', outlier_detection: {max_ejection_percent: 200}'), cluster('two', ', lb_policy: 77'));
  const sources = 'dynamic_resources: {cds_config: {path_config_source: {path: /nonexistent/cds.yaml}}}';
  assert.throws(() => checkBootstrap(parseBootstrap(bad, 'file'), {}), {
    code: 'LAT4003',
    message: /cluster "one".*max_ejection_percent.*cluster "two".*lb_policy/s,
  });
  const echo = '[{name: echo, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}]';
  const at = 'address: {socket_address: {address: 127.0.0.1, port_value: 1}}';
  const twice = ['a', 'b'].map((name) => `{name: ${name}, ${at}, filter_chains: [{filters: ${echo}}]}`);
  assert.throws(() => checkBootstrap(parseBootstrap(`static_resources: {listeners: [${twice.join()}]}`, 'file'), {}), {
    message: /listener b has a duplicate address/,
  });
  assert.throws(() => checkBootstrap(parseBootstrap(sources, 'file'), {}), { message: /cds_config.*\/nonexistent\/cds\.yaml/ });
});
