import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { CLUSTER_TYPE, ENDPOINT_TYPE, type EncodedResource, ROUTE_TYPE } from './resource.ts';
import { createSubscription, diff, receiveDelta, receiveSotw, recordSent, type Subscription } from './subscription.ts';

const resources = (versions: Record<string, string>): Map<string, EncodedResource> =>
  new Map(Object.entries(versions).map(([name, version]) => [name, { name, version, body: create(AnySchema) }]));

const ask = (subscription: Subscription, resourceNames: string[], responseNonce = '', error?: string) =>
  receiveSotw(subscription, { resourceNames, responseNonce, error });
const answered = (subscription: Subscription, versions: Record<string, string>, nonce: string) =>
  recordSent(subscription, { changed: [...resources(versions).values()], removed: [] }, { nonce, version: `v-${nonce}` });

test('an empty first request for clusters is a wildcard, and its ACK asks for nothing', () => {
  const clusters = createSubscription(CLUSTER_TYPE);
  assert.deepEqual(ask(clusters, []), new Set(['*']));
  answered(clusters, { a: '1' }, 'n1');
  assert.equal(ask(clusters, [], 'n1'), undefined);
  assert.equal(clusters.nonceAcked, 'n1');
  assert.equal(clusters.versionAcked, 'v-n1');
});

test('an empty request for routes watches nothing', () => {
  const routes = createSubscription(ROUTE_TYPE);
  assert.equal(ask(routes, []), undefined);
  assert.equal(routes.isWildcard, false);
});

test('a request with a nonce of an older response is ignored', () => {
  const endpoints = createSubscription(ENDPOINT_TYPE);
  ask(endpoints, ['a']);
  answered(endpoints, { a: '1' }, 'n1');
  answered(endpoints, { a: '2' }, 'n2');
  assert.equal(ask(endpoints, ['a', 'b'], 'n1'), undefined);
  assert.deepEqual(endpoints.names, new Set(['a']));
  assert.deepEqual(ask(endpoints, ['a', 'b'], 'n2'), new Set(['b']));
});

test('the first request after a reconnect is answered although it carries a nonce', () => {
  assert.deepEqual(ask(createSubscription(ENDPOINT_TYPE), ['a'], 'of-the-old-stream'), new Set(['a']));
});

test('a NACK keeps the last good version and asks for nothing; the next ACK clears it', () => {
  const endpoints = createSubscription(ENDPOINT_TYPE);
  ask(endpoints, ['a']);
  answered(endpoints, { a: '1' }, 'n1');
  ask(endpoints, ['a'], 'n1');
  answered(endpoints, { a: '2' }, 'n2');
  assert.equal(ask(endpoints, ['a'], 'n2', 'no such thing'), undefined);
  assert.deepEqual(endpoints.nack, { nonce: 'n2', message: 'no such thing' });
  assert.equal(endpoints.versionAcked, 'v-n1');
  answered(endpoints, { a: '3' }, 'n3');
  ask(endpoints, ['a'], 'n3');
  assert.equal(endpoints.nack, undefined);
});

test('a name given up is forgotten, and asked for again it is sent again', () => {
  const endpoints = createSubscription(ENDPOINT_TYPE);
  ask(endpoints, ['a', 'b']);
  answered(endpoints, { a: '1', b: '1' }, 'n1');
  assert.equal(ask(endpoints, ['a'], 'n1'), undefined);
  assert.deepEqual([...endpoints.sent.keys()], ['a']);
  assert.deepEqual(ask(endpoints, ['a', 'b'], 'n1'), new Set(['b']));
});

test('explicit cluster names end a legacy wildcard', () => {
  const clusters = createSubscription(CLUSTER_TYPE);
  ask(clusters, []);
  answered(clusters, { a: '1', b: '1' }, 'n1');
  ask(clusters, ['a'], 'n1');
  assert.equal(clusters.isWildcard, false);
  assert.deepEqual([...clusters.sent.keys()], ['a']);
});

const delta = (subscription: Subscription, request: Partial<Parameters<typeof receiveDelta>[1]>, isFirst = false) =>
  receiveDelta(
    subscription,
    { subscribe: [], unsubscribe: [], initialVersions: {}, responseNonce: '', error: undefined, ...request },
    { isFirst },
  );

test('an incremental client that reconnects gets only what changed while it was away', () => {
  const clusters = createSubscription(CLUSTER_TYPE);
  assert.deepEqual(delta(clusters, { initialVersions: { same: '1', changed: '1', gone: '1' } }, true), new Set(['*']));
  const update = diff(clusters, resources({ same: '1', changed: '2', fresh: '1' }));
  assert.deepEqual(
    update.changed.map(({ name }) => name),
    ['changed', 'fresh'],
  );
  assert.deepEqual(update.removed, ['gone']);
});

test('an incremental client that subscribes again gets the resource again', () => {
  const endpoints = createSubscription(ENDPOINT_TYPE);
  delta(endpoints, { subscribe: ['a'] }, true);
  answered(endpoints, { a: '1' }, 'n1');
  assert.equal(diff(endpoints, resources({ a: '1' })).changed.length, 0);
  delta(endpoints, { subscribe: ['a'], responseNonce: 'n1' });
  assert.equal(diff(endpoints, resources({ a: '1' })).changed.length, 1);
});

test('unsubscribing from the wildcard leaves the explicit names', () => {
  const clusters = createSubscription(CLUSTER_TYPE);
  delta(clusters, { subscribe: ['*', 'a'] }, true);
  delta(clusters, { unsubscribe: ['*'] });
  assert.deepEqual(
    diff(clusters, resources({ a: '1', b: '1' })).changed.map(({ name }) => name),
    ['a'],
  );
});
