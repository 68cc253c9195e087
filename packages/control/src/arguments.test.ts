import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseControlPlaneArgs } from './arguments.ts';
import { readSettings } from './settings.ts';

test('a directory is served on loopback, without webhooks, metrics on the HTTP address', () => {
  const parsed = parseControlPlaneArgs(['--config-dir', 'conf', '--mesh-config', 'mesh.yaml']);
  assert.deepEqual(parsed.xds, { host: '127.0.0.1', port: 15010 });
  assert.deepEqual(parsed.http, { host: '127.0.0.1', port: 8080 });
  assert.equal(parsed.monitoring, undefined);
  assert.equal(parsed.webhooks, undefined);
  assert.equal(parsed.meshConfigFile, 'mesh.yaml');
});

test("istiod's own arguments are understood", () => {
  const parsed = parseControlPlaneArgs([
    'discovery',
    '--monitoringAddr=:15014',
    '--log_output_level=default:debug',
    '--domain',
    'cluster.local',
  ]);
  assert.deepEqual(parsed.monitoring, { host: '0.0.0.0', port: 15014 });
  assert.deepEqual(parsed.webhooks, { host: '0.0.0.0', port: 15017 });
  assert.equal(parsed.logLevel, 'debug');
});

test('addresses may be IPv6', () => assert.deepEqual(parseControlPlaneArgs(['--xds', '[::1]:7']).xds, { host: '::1', port: 7 }));

for (const args of [['--no-such-flag'], ['--xds', '15010'], ['--http', 'host:'], ['--http', 'host:99999']]) {
  test(`${args.join(' ')} is refused with a code`, () => assert.throws(() => parseControlPlaneArgs(args), { code: 'LAT0406' }));
}

test('the environment keeps the names of istiod', () => {
  const settings = readSettings({ PILOT_DEBOUNCE_AFTER: '5ms', PILOT_DEBOUNCE_MAX: '1s', CLUSTER_ID: 'c', POD_NAMESPACE: 'n' });
  assert.deepEqual([settings.debounceAfterMs, settings.debounceMaxMs, settings.clusterId, settings.namespace], [5, 1000, 'c', 'n']);
  assert.throws(() => readSettings({ PILOT_DEBOUNCE_AFTER: 'soon' }), { code: 'LAT0402' });
});
