// Events are news, not state: an hour after they last happened they go.

import type { Clock, Closable } from '@lateen/base';
import type { KubeObject } from '@lateen/kube/types';
import type { Store } from '../store/index.ts';

const LIFETIME_MS = 60 * 60 * 1000;
const PERIOD_MS = 5 * 60 * 1000;

/** Works from now until closed. */
export function createEventExpiry({ store, clock }: { store: Store; clock: Clock }): Closable {
  const timer = clock.every(PERIOD_MS, () => {
    for (const event of store.list({ resource: 'events' }) ?? []) {
      if (clock.now() - lastSeenMs(event) < LIFETIME_MS) continue;
      const { name, namespace = '', resourceVersion = '' } = event.metadata;
      store.remove({ resource: 'events', namespace, name }, resourceVersion);
    }
  });
  return { close: () => timer.cancel() };
}

function lastSeenMs(event: KubeObject): number {
  const series = event['series'] as { lastObservedTime?: string } | undefined;
  const times = [series?.lastObservedTime, event['lastTimestamp'], event['eventTime'], event.metadata.creationTimestamp];
  return Math.max(...times.map((time) => (typeof time === 'string' ? Date.parse(time) || 0 : 0)));
}
