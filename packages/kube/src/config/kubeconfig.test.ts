import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { loadClusterConfig, loadInClusterConfig } from './kubeconfig.ts';

describe('kubeconfig', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lateen-kubeconfig-'));
  });
  afterEach(() => rm(folder, { recursive: true }));
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const FIRST = `
current-context: one
contexts:
- {name: one, context: {cluster: c1, user: u1, namespace: team}}
- {name: two, context: {cluster: c2, user: u2}}
clusters:
- {name: c1, cluster: {server: 'https://one:6443', certificate-authority: ca.pem, tls-server-name: api}}
users:
- {name: u1, user: {client-certificate-data: ${Buffer.from('CERT').toString('base64')}, client-key-data: ${Buffer.from('KEY').toString('base64')}}}
`;
  const SECOND = `
current-context: two
clusters:
- {name: c1, cluster: {server: 'https://loser'}}
- {name: c2, cluster: {server: 'https://two', insecure-skip-tls-verify: true}}
users:
- {name: u2, user: {exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: ./plugin, args: [get-token, --cluster], env: [{name: A, value: b}]}}}
`;

  test('the list in KUBECONFIG is merged, the first file wins, paths are relative to their file', () => {
    file('ca.pem', 'CA');
    const env = { KUBECONFIG: [file('first', FIRST), join(folder, 'missing'), file('second', SECOND)].join(delimiter) };
    assert.deepEqual(loadClusterConfig({ env }), {
      server: 'https://one:6443',
      ca: 'CA',
      tlsServerName: 'api',
      credentials: { kind: 'certificate', cert: 'CERT', key: 'KEY' },
      namespace: 'team',
      description: 'context one',
    });
    const two = loadClusterConfig({ env, context: 'two' });
    assert.equal(two.server, 'https://two');
    assert.equal(two.insecureSkipTlsVerify, true);
    assert.ok(two.credentials.kind === 'exec');
    assert.equal(two.credentials.plugin.command, join(folder, 'plugin'));
    assert.deepEqual([two.credentials.plugin.args, two.credentials.plugin.env], [['get-token', '--cluster'], { A: 'b' }]);
  });

  test('an explicit path stands alone, and HOME is the last resort', () => {
    mkdirSync(join(folder, '.kube'));
    file(
      '.kube/config',
      SECOND.replace(
        'users:',
        'contexts: [{name: two, context: {cluster: c2, user: u3}}]\nusers:\n- {name: u3, user: {token: T, tokenFile: t.txt}}',
      ),
    );
    assert.deepEqual(loadClusterConfig({ env: { HOME: folder } }).credentials, { kind: 'tokenFile', path: join(folder, '.kube', 't.txt') });
    file('ca.pem', 'CA');
    assert.equal(loadClusterConfig({ env: { HOME: folder, KUBECONFIG: 'x' }, path: file('first', FIRST) }).description, 'context one');
  });

  const refused: [string, string, RegExp][] = [
    ['no current context', 'clusters: []', /no current-context/],
    ['an unknown context', 'current-context: x', /context "x" does not exist/],
    ['an unknown cluster', 'current-context: x\ncontexts: [{name: x, context: {cluster: gone}}]', /unknown cluster "gone"/],
    [
      'a proxy',
      "current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: s, proxy-url: 'http://p'}}]",
      /proxy-url, which is not supported/,
    ],
    [
      'auth-provider',
      'current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: s}}]\nusers: [{name: u, user: {auth-provider: {name: gcp}}}]',
      /auth-provider/,
    ],
    ['broken YAML', 'a: [', /cannot read kubeconfig/],
    ['no mapping', '- a', /not a YAML mapping/],
  ];
  for (const [name, text, message] of refused) {
    test(`refuses ${name}`, () => {
      assert.throws(() => loadClusterConfig({ env: {}, path: file('config', text) }), { code: 'LAT2104', message });
    });
  }

  test('without a file it says how to get one', () => {
    assert.throws(() => loadClusterConfig({ env: { HOME: folder } }), { code: 'LAT2104', fix: /lateen up/ });
    assert.throws(() => loadClusterConfig({ env: { HOME: folder, KUBECONFIG: '/nope' } }), { message: /KUBECONFIG names \/nope/ });
  });

  test('in a pod the service account is used', () => {
    file('token', 'T');
    file('ca.crt', 'CA');
    file('namespace', 'istio-system');
    const config = loadInClusterConfig({ KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' }, folder);
    assert.deepEqual(config, {
      server: 'https://10.96.0.1:443',
      ca: 'CA',
      credentials: { kind: 'tokenFile', path: join(folder, 'token') },
      namespace: 'istio-system',
      description: 'in-cluster',
    });
    assert.equal(loadInClusterConfig({}, folder), undefined);
  });
});
