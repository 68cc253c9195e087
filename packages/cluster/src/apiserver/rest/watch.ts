// watch: a stream of JSON lines, fed by the store.

import type { Clock } from '@lateen/base';
import type { KubeObject, WatchEventType } from '@lateen/kube/types';
import type { StoreEvent } from '../../store/index.ts';
import type { ApiReply } from '../http/exchange.ts';
import { apiVersionOf } from '../registry/resource.ts';
import { badRequest, expired } from '../status.ts';
import type { Call } from './call.ts';
import { type Rendering, renderObject } from './negotiate.ts';
import { type Filter, filterOf, matches, renderingOf } from './read.ts';

const BOOKMARK_PERIOD_MS = 60_000;
const DEFAULT_TIMEOUT_S = 1800;
/** A reader this far behind is cut off and must list again. */
const MAX_QUEUED = 20_000;

type Line = { type: WatchEventType; object: unknown };

export function watch(call: Call): ApiReply {
  const { query } = call.request;
  const { store } = call.core;
  const rendering = renderingOf(call);
  const filter = filterOf(call);
  const asked = query.get('resourceVersion') ?? '';
  const initialEvents = query.get('sendInitialEvents') === 'true';
  if (asked !== '' && !/^\d{1,15}$/.test(asked)) throw badRequest(`Invalid value: "${asked}": invalid resource version`);
  const isFresh = asked === '' || asked === '0' || initialEvents;
  const from = isFresh ? store.revision : Number(asked);
  const lines = createLineQueue();
  const send = (type: WatchEventType, object: KubeObject) => lines.push(type, renderObject(object, rendering));
  const scope = { resource: call.resource.storage, namespace: call.resource.namespaced ? call.namespace : undefined };
  if (isFresh && query.get('sendInitialEvents') !== 'false') {
    for (const stored of store.list(scope) ?? []) {
      const object = call.resource.fromStorage(stored);
      if (matches(filter, object)) send('ADDED', object);
    }
  }
  const bookmark = (annotations?: Record<string, string>) =>
    lines.push('BOOKMARK', bookmarkObject(call, rendering, { revision: store.revision, annotations }));
  if (initialEvents) bookmark({ 'k8s.io/initial-events-end': 'true' });
  const stop = from > store.revision ? undefined : store.watch(scope, from, (event) => forward(event, { call, filter, send }));
  if (!stop) {
    lines.push('ERROR', expired(`too old resource version: ${from} (${store.oldestRevision})`).status);
    lines.end();
  }
  const wantsBookmarks = query.get('allowWatchBookmarks') === 'true';
  const stream = readLines(lines, {
    signal: call.request.signal,
    clock: call.core.clock,
    timeoutMs: (Number(query.get('timeoutSeconds')) || DEFAULT_TIMEOUT_S) * 1000,
    onIdle: wantsBookmarks ? bookmark : undefined,
    onEnd: () => stop?.(),
    isTable: rendering.form === 'table',
  });
  return { status: 200, headers: { 'content-type': 'application/json' }, body: undefined, stream };
}

// What a selector hides looks like deletion and creation to its watcher.
function forward(event: StoreEvent, to: { call: Call; filter: Filter; send: (type: WatchEventType, object: KubeObject) => void }): void {
  const { resource } = to.call;
  const object = resource.fromStorage(event.object);
  const was = event.previous !== undefined && matches(to.filter, resource.fromStorage(event.previous));
  const is = event.type !== 'DELETED' && matches(to.filter, object);
  if (is) to.send(was ? 'MODIFIED' : 'ADDED', object);
  else if (was) to.send('DELETED', object);
}

function bookmarkObject(
  call: Call,
  rendering: Rendering,
  at: { revision: number; annotations: Record<string, string> | undefined },
): unknown {
  const metadata = {
    resourceVersion: String(at.revision),
    creationTimestamp: null,
    ...(at.annotations ? { annotations: at.annotations } : {}),
  };
  const object = { kind: call.resource.kind, apiVersion: apiVersionOf(call.resource), metadata };
  return rendering.form === 'table' ? { kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata, columnDefinitions: [], rows: [] } : object;
}

type LineQueue = {
  push(type: WatchEventType, object: unknown): void;
  end(): void;
  /** Takes all; undefined once ended and empty. */
  take(): Line[] | undefined;
  onPush: () => void;
};

function createLineQueue(): LineQueue {
  let lines: Line[] = [];
  let ended = false;
  const queue: LineQueue = {
    push(type, object) {
      if (ended) return;
      if (lines.length >= MAX_QUEUED) ended = true;
      else lines.push({ type, object });
      queue.onPush();
    },
    end() {
      ended = true;
      queue.onPush();
    },
    take() {
      if (lines.length === 0 && ended) return undefined;
      const taken = lines;
      lines = [];
      return taken;
    },
    onPush: () => {},
  };
  return queue;
}

type StreamOptions = {
  signal: AbortSignal;
  clock: Clock;
  timeoutMs: number;
  onIdle: (() => void) | undefined;
  onEnd: () => void;
  isTable: boolean;
};

async function* readLines(queue: LineQueue, options: StreamOptions): AsyncGenerator<string> {
  const { signal, clock, onIdle } = options;
  let wake = () => {};
  let isOver = signal.aborted;
  const finish = () => {
    isOver = true;
    wake();
  };
  queue.onPush = () => wake();
  signal.addEventListener('abort', finish, { once: true });
  const timer = clock.after(options.timeoutMs, finish, { background: true });
  const bookmarks = onIdle ? clock.every(BOOKMARK_PERIOD_MS, onIdle) : undefined;
  let sentColumns = false;
  try {
    while (!isOver) {
      const lines = queue.take();
      if (lines === undefined) return;
      if (lines.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      let text = '';
      for (const line of lines) {
        // kubectl wants the column definitions once.
        const object = options.isTable && sentColumns ? { ...(line.object as object), columnDefinitions: null } : line.object;
        sentColumns = true;
        text += `${JSON.stringify({ type: line.type, object })}\n`;
      }
      yield text;
    }
    if (onIdle && !signal.aborted) {
      onIdle();
      for (const line of queue.take() ?? []) yield `${JSON.stringify(line)}\n`;
    }
  } finally {
    timer.cancel();
    bookmarks?.cancel();
    signal.removeEventListener('abort', finish);
    options.onEnd();
  }
}
