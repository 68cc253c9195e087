import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import { ClusterSchema, DeltaDiscoveryResponseSchema, DiscoveryResponseSchema, ResourceSchema } from '../messages/index.ts';
import { createDeltaSubscription, createSotwSubscription } from './subscription.ts';

const typeUrl = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const cluster = (name: string) => anyPack(ClusterSchema, create(ClusterSchema, { name }));
const nameOf = (any: ReturnType<typeof cluster>) => anyUnpack(any, ClusterSchema)?.name ?? '';

const sotwResponse = (version: string, nonce: string, names: string[]) =>
  create(DiscoveryResponseSchema, { typeUrl, versionInfo: version, nonce, resources: names.map(cluster) });
const sotw = (isFullState: boolean) => createSotwSubscription({ typeUrl, isFullState, nameOf });

test('state of the world: ACK carries the new version and the nonce, NACK the old version and the reasons', () => {
  const subscription = sotw(true);
  assert.deepEqual(subscription.want('*'), { typeUrl, versionInfo: '', resourceNames: [], responseNonce: '' });
  const first = subscription.receive(sotwResponse('1', 'n1', ['a', 'b']));
  assert.deepEqual([[...first.changed.keys()], first.removed], [['a', 'b'], []]);
  assert.deepEqual(subscription.accept(first), { typeUrl, versionInfo: '1', resourceNames: [], responseNonce: 'n1' });
  subscription.receive(sotwResponse('2', 'n2', ['a']));
  assert.deepEqual(subscription.reject(['bad a', 'bad b']), {
    typeUrl,
    versionInfo: '1',
    resourceNames: [],
    responseNonce: 'n2',
    errorDetail: { code: 3, message: 'bad a; bad b' },
  });
  assert.deepEqual([...subscription.accepted.keys()], ['a', 'b']);
});

test('state of the world: absence removes where the type is sent whole, and only there', () => {
  for (const isFullState of [true, false]) {
    const subscription = sotw(isFullState);
    subscription.want(isFullState ? '*' : new Set(['a', 'b']));
    subscription.accept(subscription.receive(sotwResponse('1', 'n1', ['a', 'b'])));
    assert.deepEqual(subscription.receive(sotwResponse('2', 'n2', ['b'])).removed, isFullState ? ['a'] : []);
  }
});

test('state of the world: resources in envelopes go by the name outside; an empty one lives on', () => {
  const subscription = sotw(true);
  subscription.want('*');
  subscription.accept(subscription.receive(sotwResponse('1', 'n1', ['a', 'b', 'c'])));
  const resources = [
    anyPack(ResourceSchema, create(ResourceSchema, { name: 'a', resource: cluster('a') })),
    anyPack(ResourceSchema, create(ResourceSchema, { name: 'b' })),
  ];
  const update = subscription.receive(create(DiscoveryResponseSchema, { typeUrl, versionInfo: '2', resources }));
  assert.deepEqual([[...update.changed.keys()], update.removed], [['a'], ['c']]);
});

test('what is there twice is refused', () => {
  const subscription = sotw(true);
  assert.throws(() => subscription.receive(sotwResponse('1', 'n1', ['a', 'a'])), /resource "a" is there twice/);
  const delta = createDeltaSubscription({ typeUrl });
  assert.throws(() => delta.receive(deltaResponse('n1', { a: '1' }, ['a'])), /resource "a" is both there and removed/);
});

test('state of the world: a new stream repeats the accepted version without a nonce', () => {
  const subscription = sotw(true);
  subscription.want('*');
  subscription.accept(subscription.receive(sotwResponse('7', 'n1', ['a'])));
  assert.deepEqual(subscription.start(), { typeUrl, versionInfo: '7', resourceNames: [], responseNonce: '' });
});

test('state of the world: nothing wanted is never asked, since an empty list means all', () => {
  const subscription = sotw(false);
  assert.equal(subscription.start(), undefined);
  assert.equal(subscription.want(new Set()), undefined);
  assert.deepEqual(subscription.want(new Set(['b', 'a'])), { typeUrl, versionInfo: '', resourceNames: ['a', 'b'], responseNonce: '' });
  assert.equal(subscription.want(new Set(['a', 'b'])), undefined);
  assert.deepEqual(subscription.want(new Set()), { typeUrl, versionInfo: '', resourceNames: [], responseNonce: '' });
});

const deltaResponse = (nonce: string, resources: Record<string, string>, removedResources: string[] = []) =>
  create(DeltaDiscoveryResponseSchema, {
    typeUrl,
    nonce,
    removedResources,
    resources: Object.entries(resources).map(([name, version]) => ({ name, version, resource: cluster(name) })),
  });

test('delta: subscriptions are differences, ACK and NACK carry only the nonce', () => {
  const subscription = createDeltaSubscription({ typeUrl });
  assert.deepEqual(subscription.want(new Set(['a', 'b'])), { typeUrl, resourceNamesSubscribe: ['a', 'b'], resourceNamesUnsubscribe: [] });
  assert.deepEqual(subscription.want(new Set(['b', 'c'])), { typeUrl, resourceNamesSubscribe: ['c'], resourceNamesUnsubscribe: ['a'] });
  assert.deepEqual(subscription.accept(subscription.receive(deltaResponse('n1', { b: '1', c: '1' }))), { typeUrl, responseNonce: 'n1' });
  subscription.receive(deltaResponse('n2', { b: '2' }));
  assert.deepEqual(subscription.reject(['no']), { typeUrl, responseNonce: 'n2', errorDetail: { code: 3, message: 'no' } });
  assert.deepEqual(
    [...subscription.accepted],
    [
      ['b', '1'],
      ['c', '1'],
    ],
  );
});

test('delta: a new stream names what it has, so that only differences are sent', () => {
  const subscription = createDeltaSubscription({ typeUrl });
  subscription.want('*');
  subscription.accept(subscription.receive(deltaResponse('n1', { a: '1', b: '4' })));
  subscription.accept(subscription.receive(deltaResponse('n2', {}, ['a', 'never-known'])));
  assert.deepEqual(subscription.start(), { typeUrl, resourceNamesSubscribe: [], initialResourceVersions: { b: '4' } });
});

test('delta: what does not exist is reported as removed', () => {
  const subscription = createDeltaSubscription({ typeUrl });
  subscription.want(new Set(['x']));
  assert.deepEqual(subscription.receive(deltaResponse('n1', {}, ['x'])).removed, ['x']);
});
