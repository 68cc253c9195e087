import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createVirtualClock } from '@lateen/base/testing';
import { createStore } from '../store/index.ts';
import { createEventExpiry } from './event-expiry.ts';

it('events go an hour after they last happened', (t) => {
  const clock = createVirtualClock(Date.parse('2026-01-01T12:00:00Z'));
  const store = createStore();
  const expiry = createEventExpiry({ store, clock });
  t.after(() => expiry.close());
  const put = (name: string, lastTimestamp: string) =>
    store.put(
      { resource: 'events', namespace: 'default', name },
      {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name, namespace: 'default', creationTimestamp: '2026-01-01T10:00:00Z' },
        lastTimestamp,
      },
      'absent',
    );
  put('old', '2026-01-01T11:00:00Z');
  put('repeated', '2026-01-01T11:59:00Z');
  clock.advance(10 * 60 * 1000);
  assert.deepEqual(
    store.list({ resource: 'events' })?.map((one) => one.metadata.name),
    ['repeated'],
  );
  clock.advance(60 * 60 * 1000);
  assert.deepEqual(store.list({ resource: 'events' }), []);
});
