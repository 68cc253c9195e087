// Events as `kubectl describe` shows them. The same event again raises the count of the first instead of making another.

import { type Clock, type Logger, messageOf } from '@lateen/base';
import { isAlreadyExists, isNotFound, type KubeClient } from '@lateen/kube';
import type { KubeEvent, KubeObject } from '@lateen/kube/types';
import { EVENTS } from './kube-resources.ts';
import { rfc3339 } from './time-text.ts';

export type RecordedEvent = { type: 'Normal' | 'Warning'; reason: string; message: string; fieldPath?: string };

export type EventRecorder = {
  /** Never throws and never waits; what cannot be written is logged. */
  record(about: KubeObject, event: RecordedEvent): void;
  /** Resolves when everything recorded so far is written. */
  flush(): Promise<void>;
};

export type EventRecorderOptions = { client: KubeClient; component: string; host?: string; clock: Clock; logger: Logger };

/** How many distinct events are remembered for counting; the oldest are forgotten first. */
const REMEMBERED = 4096;

type Remembered = { name: string; count: number };

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { client, clock, logger } = options;
  const remembered = new Map<string, Remembered>();
  let sequence = 0;
  let last: Promise<void> = Promise.resolve();

  async function write(about: KubeObject, event: RecordedEvent, nowMs: number): Promise<void> {
    const key = JSON.stringify([about.kind, about.metadata.uid, event]);
    const known = remembered.get(key);
    remembered.delete(key);
    const namespace = about.metadata.namespace ?? 'default';
    if (known) {
      const count = known.count + 1;
      const again = await raiseCount(namespace, known.name, { count, lastTimestamp: rfc3339(nowMs) });
      if (again) return remember(key, { name: known.name, count });
    }
    const name = await create(about, event, nowMs);
    remember(key, { name, count: 1 });
  }

  async function create(about: KubeObject, event: RecordedEvent, nowMs: number): Promise<string> {
    const name = eventName(about, nowMs, sequence++);
    try {
      await client.create(EVENTS, eventObject(about, event, { nowMs, name, options }));
      return name;
    } catch (error) {
      // Another recorder spoke about the same object in the same millisecond.
      if (isAlreadyExists(error)) return create(about, event, nowMs);
      throw error;
    }
  }

  function remember(key: string, value: Remembered): void {
    remembered.set(key, value);
    const oldest = remembered.size > REMEMBERED ? remembered.keys().next().value : undefined;
    if (oldest !== undefined) remembered.delete(oldest);
  }

  async function raiseCount(namespace: string, name: string, body: { count: number; lastTimestamp: string }): Promise<boolean> {
    try {
      await client.patch(EVENTS, { namespace, name }, { type: 'merge', body });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  return {
    record(about, event) {
      const nowMs = clock.now();
      // One after the other, so that counts are right and order is kept.
      last = last
        .then(() => write(about, event, nowMs))
        .catch((error: unknown) => logger.debug('an event could not be written', { reason: event.reason, error: messageOf(error) }));
    },
    flush: () => last,
  };
}

/** Like Kubernetes' own: the time in nanoseconds, so that a list by name is in order of time. */
const eventName = ({ metadata }: KubeObject, nowMs: number, sequence: number): string =>
  `${metadata.name.slice(0, 230)}.${(BigInt(Math.floor(nowMs)) * 1_000_000n + BigInt(sequence % 1_000_000)).toString(16)}`;

type Rendering = { nowMs: number; name: string; options: EventRecorderOptions };

function eventObject(about: KubeObject, event: RecordedEvent, { nowMs, name, options }: Rendering): KubeEvent {
  const { metadata } = about;
  const time = rfc3339(nowMs);
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace: metadata.namespace ?? 'default' },
    involvedObject: {
      apiVersion: about.apiVersion,
      kind: about.kind,
      name: metadata.name,
      ...(metadata.namespace !== undefined && { namespace: metadata.namespace }),
      ...(metadata.uid !== undefined && { uid: metadata.uid }),
      ...(metadata.resourceVersion !== undefined && { resourceVersion: metadata.resourceVersion }),
      ...(event.fieldPath !== undefined && { fieldPath: event.fieldPath }),
    },
    type: event.type,
    reason: event.reason,
    message: event.message.slice(0, 1024),
    count: 1,
    firstTimestamp: time,
    lastTimestamp: time,
    source: { component: options.component, ...(options.host !== undefined && { host: options.host }) },
    reportingComponent: options.component,
    reportingInstance: options.host ?? '',
  };
}
