import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createVirtualClock } from '@lateen/base/testing';
import type { Volume } from '@lateen/kube/types';
import { writeAtomicDirectory } from './atomic-directory.ts';
import type { ConfigurationSource } from './configuration-source.ts';
import { createPodVolumes } from './pod-volumes.ts';
import { configuration, container, podFacts } from './testing/pod-facts.ts';
import { volumeFiles } from './volume-files.ts';

function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'lateen-volumes-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function setUp(t: TestContext, volumes: Volume[], source: ConfigurationSource = configuration) {
  const directory = scratch(t);
  const clock = createVirtualClock();
  const tokens: unknown[] = [];
  const facts = podFacts({ volumes, containers: [container()] });
  const podVolumes = createPodVolumes(facts.pod, {
    directory,
    claimsDirectory: join(directory, 'claims'),
    facts: () => facts,
    source,
    requestToken: async (options) => ({
      token: `token-${tokens.push(options)}`,
      expiresAtMs: clock.now() + options.expirationSeconds * 1000,
    }),
    clock,
  });
  return { directory, clock, tokens, podVolumes, read: (path: string) => readFileSync(join(directory, path), 'utf8') };
}

const contents: { name: string; volume: Omit<Volume, 'name'>; files: Record<string, [text: string, mode: number]> }[] = [
  { name: 'a config map', volume: { configMap: { name: 'words' } }, files: { hello: ['ahoy', 0o644], blob: ['\0\x01', 0o644] } },
  {
    name: 'chosen keys with paths and modes',
    volume: { configMap: { name: 'words', defaultMode: 0o600, items: [{ key: 'hello', path: 'a/b', mode: 0o400 }] } },
    files: { 'a/b': ['ahoy', 0o400] },
  },
  { name: 'a secret', volume: { secret: { secretName: 'keys', defaultMode: 0o400 } }, files: { pin: ['1234', 0o400] } },
  { name: 'an optional secret that is missing', volume: { secret: { secretName: 'none', optional: true } }, files: {} },
  {
    name: 'the downward API',
    volume: {
      downwardAPI: {
        items: [
          { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
          { path: 'cpu', resourceFieldRef: { containerName: 'app', resource: 'limits.cpu', divisor: '1m' } },
        ],
      },
    },
    files: { labels: ['app="web"\ntier="front \\"end\\""', 0o644], cpu: ['2000', 0o644] },
  },
  {
    name: 'several sources in one',
    volume: {
      projected: {
        defaultMode: 0o440,
        sources: [
          { configMap: { name: 'words', items: [{ key: 'hello', path: 'hello' }] } },
          { secret: { name: 'keys' } },
          { serviceAccountToken: { path: 'token', audience: 'istio-ca' } },
        ],
      },
    },
    files: { hello: ['ahoy', 0o440], pin: ['1234', 0o440], token: ['T', 0o440] },
  },
];
for (const { name, volume, files } of contents) {
  test(`a volume holds ${name}`, async () => {
    const given = await volumeFiles(
      { name: 'v', ...volume },
      { facts: podFacts({ containers: [container()] }), source: configuration, token: async () => 'T' },
    );
    const seen = [...given].map(([path, { data, mode }]) => [path, [data.toString(), mode]]);
    assert.deepEqual(Object.fromEntries(seen), files);
  });
}

const refused: [volume: Omit<Volume, 'name'>, message: RegExp][] = [
  [{ configMap: { name: 'none' } }, /configmap "none" not found/],
  [{ secret: { secretName: 'keys', items: [{ key: 'x', path: 'x' }] } }, /references non-existent key: x/],
  [{ configMap: { name: 'words', items: [{ key: 'hello', path: '../../etc/passwd' }] } }, /must be relative and stay inside/],
  [{ downwardAPI: { items: [{ path: 'x', fieldRef: { fieldPath: 'spec.nope' } }] } }, /unsupported reference/],
  [{ projected: { sources: [{ clusterTrustBundle: { path: 'x' } }] } }, /clusterTrustBundle is not supported/],
  [{ nfs: { server: 's', path: '/' } }, /volume type nfs is not supported/],
  [{ hostPath: { path: '/does/not/exist' } }, /hostPath \/does\/not\/exist does not exist/],
];
for (const [volume, message] of refused) {
  test(`volume ${JSON.stringify(volume)} cannot be mounted`, async (t) => {
    await assert.rejects(setUp(t, [{ name: 'v', ...volume }]).podVolumes.prepare(), { message });
  });
}

test('changed configuration replaces the whole directory behind ..data', async (t) => {
  let text = 'one';
  const source: ConfigurationSource = {
    ...configuration,
    configMap: async (_, name) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name },
      data: text === 'one' ? { a: text, old: '' } : { a: text },
    }),
  };
  const { directory, podVolumes, read } = setUp(t, [{ name: 'v', configMap: { name: 'c' } }], source);
  await podVolumes.prepare();
  const generation = readlinkSync(join(directory, 'v/..data'));
  assert.equal(read('v/a'), 'one');
  await podVolumes.refresh();
  assert.equal(readlinkSync(join(directory, 'v/..data')), generation, 'nothing changed, nothing is written');
  text = 'two';
  await podVolumes.refresh();
  assert.equal(read('v/a'), 'two');
  assert.throws(() => read('v/old'), { code: 'ENOENT' });
  assert.notEqual(readlinkSync(join(directory, 'v/..data')), generation);
});

test('a token is asked for once and renewed after 80 % of its life', async (t) => {
  const volume = {
    name: 'v',
    projected: { sources: [{ serviceAccountToken: { path: 'token', audience: 'istio-ca', expirationSeconds: 1000 } }] },
  };
  const { clock, podVolumes, tokens, read } = setUp(t, [volume]);
  await podVolumes.prepare();
  assert.deepEqual(tokens, [{ audience: 'istio-ca', expirationSeconds: 1000 }]);
  clock.advance(799_000);
  await podVolumes.refresh();
  assert.equal(read('v/token'), 'token-1');
  clock.advance(2_000);
  await podVolumes.refresh();
  assert.equal(read('v/token'), 'token-2');
});

test('mounts name host paths; subPath and read-only are kept, escapes refused', async (t) => {
  const { directory, podVolumes } = setUp(t, [
    { name: 'scratch', emptyDir: {} },
    { name: 'host', hostPath: { path: '/tmp' } },
  ]);
  await podVolumes.prepare();
  assert.equal(statSync(join(directory, 'scratch')).mode & 0o777, 0o777);
  const volumeMounts = [
    { name: 'scratch', mountPath: '/data', subPathExpr: 'sub-$(NAME)' },
    { name: 'host', mountPath: '/host', readOnly: true },
  ];
  assert.deepEqual(await podVolumes.mountsOf(container({ volumeMounts }), new Map([['NAME', 'x']])), [
    { source: join(directory, 'scratch/sub-x'), target: '/data', readOnly: false },
    { source: '/tmp', target: '/host', readOnly: true },
  ]);
  for (const bad of [
    { name: 'none', mountPath: '/x' },
    { name: 'scratch', mountPath: '/x', subPath: '../..' },
  ]) {
    await assert.rejects(podVolumes.mountsOf(container({ volumeMounts: [bad] }), new Map()), { code: 'LAT3110' });
  }
});

test('a nested path is visible through the link of its first part', async (t) => {
  const directory = scratch(t);
  const files = new Map([['a/b/c', { data: Buffer.from('deep'), mode: 0o644 }]]);
  assert.equal(await writeAtomicDirectory(directory, files), true);
  assert.equal(await writeAtomicDirectory(directory, files), false);
  assert.equal(readFileSync(join(directory, 'a/b/c'), 'utf8'), 'deep');
});
