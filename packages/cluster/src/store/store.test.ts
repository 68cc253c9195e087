// One contract for both stores: in memory, and over SQLite.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { KubeObject } from '@lateen/kube/types';
import { createSqliteJournal, createStore, type Store, type StoreEvent, type StoreKey } from './index.ts';

const key = (name: string, namespace = 'default', resource = 'pods'): StoreKey => ({ resource, namespace, name });
const pod = (name: string, value = ''): KubeObject => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, value });
const versionOf = (object: KubeObject | undefined): string => object?.metadata.resourceVersion ?? '';
const scratch = (t: TestContext): string => {
  const dir = mkdtempSync(join(tmpdir(), 'lateen-store-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'state.db');
};

const KINDS: { name: string; open: (t: TestContext, historySize?: number) => Store }[] = [
  { name: 'in memory', open: (_t, historySize = 100) => createStore({ historySize }) },
  {
    name: 'over SQLite',
    open: (t, historySize = 100) => createStore({ journal: createSqliteJournal(scratch(t), { historySize }), historySize }),
  },
];

for (const { name, open } of KINDS) {
  describe(`a store ${name}`, () => {
    const withStore = (run: (store: Store) => void, historySize?: number) => (t: TestContext) => {
      const store = open(t, historySize);
      try {
        run(store);
      } finally {
        store.close();
      }
    };

    it(
      'counts revisions up over all resources',
      withStore((store) => {
        store.put(key('a'), pod('a'), 'absent');
        store.put(key('x', '', 'nodes'), pod('x'), 'absent');
        assert.equal(versionOf(store.get(key('a'))), '1');
        assert.equal(versionOf(store.get(key('x', '', 'nodes'))), '2');
        assert.equal(store.revision, 2);
      }),
    );

    it(
      'refuses a write whose expectation does not hold',
      withStore((store) => {
        store.put(key('a'), pod('a'), 'absent');
        assert.equal(store.put(key('a'), pod('a', 'second'), 'absent').ok, false);
        assert.equal(store.put(key('a'), pod('a', 'second'), '1').ok, true);
        const stale = store.put(key('a'), pod('a', 'third'), '1');
        assert.deepEqual(stale.ok ? stale : [stale.reason, versionOf(stale.current)], ['conflict', '2']);
        assert.equal(store.remove(key('a'), '1').ok, false);
        assert.equal(store.remove(key('a'), '2').ok, true);
        assert.equal(store.put(key('a'), pod('a'), '2').ok, false);
      }),
    );

    it(
      'lists by namespace and name, also as of an earlier revision',
      withStore((store) => {
        store.put(key('b'), pod('b'), 'absent');
        store.put(key('a'), pod('a'), 'absent');
        store.put(key('c', 'a-b'), pod('c'), 'absent');
        store.put(key('a'), pod('a', 'changed'), '2');
        store.remove(key('b'), '1');
        const names = (at?: number) => store.list({ resource: 'pods' }, at)?.map((object) => `${object.metadata.name}${object['value']}`);
        assert.deepEqual(names(), ['c', 'achanged']);
        assert.deepEqual(names(3), ['c', 'a', 'b']);
        assert.deepEqual(names(1), ['b']);
        assert.equal(names(99), undefined);
      }),
    );

    it(
      'replays the past to a watch and then goes on, in order and in scope',
      withStore((store) => {
        store.put(key('a'), pod('a'), 'absent');
        store.put(key('a'), pod('a', '2'), '1');
        const seen: string[] = [];
        const note = (event: StoreEvent) => seen.push(`${event.type} ${event.key.name} ${event.revision}`);
        const stop = store.watch({ resource: 'pods', namespace: 'default' }, 1, note);
        store.put(key('b', 'other'), pod('b'), 'absent');
        store.remove(key('a'), '2');
        stop?.();
        store.put(key('c'), pod('c'), 'absent');
        assert.deepEqual(seen, ['MODIFIED a 2', 'DELETED a 4']);
      }),
    );

    it(
      'delivers in order when a watcher writes',
      withStore((store) => {
        const seen: number[] = [];
        store.watch({ resource: 'pods' }, 0, (event) => {
          if (event.revision === 1) store.put(key('b'), pod('b'), 'absent');
        });
        store.watch({ resource: 'pods' }, 0, (event) => void seen.push(event.revision));
        store.put(key('a'), pod('a'), 'absent');
        assert.deepEqual(seen, [1, 2]);
      }),
    );

    it(
      'says that a revision beyond the history is gone',
      withStore((store) => {
        for (let i = 0; i < 40; i++) store.put(key(`p${i}`), pod(`p${i}`), 'absent');
        assert.equal(
          store.watch({ resource: 'pods' }, 1, () => {}),
          undefined,
        );
        assert.equal(store.list({ resource: 'pods' }, 1), undefined);
        assert.ok(store.watch({ resource: 'pods' }, 39, () => {}));
      }, 10),
    );
  });
}

describe('a store over SQLite', () => {
  it('has objects, revision and history again after it is reopened', (t) => {
    const path = scratch(t);
    const first = createStore({ journal: createSqliteJournal(path) });
    first.put(key('a'), pod('a'), 'absent');
    first.put(key('a'), pod('a', 'two'), '1');
    first.put(key('b'), pod('b'), 'absent');
    first.remove(key('b'), '3');
    first.close();
    const second = createStore({ journal: createSqliteJournal(path) });
    t.after(() => second.close());
    assert.equal(second.revision, 4);
    assert.equal(second.get(key('a'))?.['value'], 'two');
    assert.equal(second.get(key('b')), undefined);
    const seen: number[] = [];
    second.watch({ resource: 'pods' }, 1, (event) => void seen.push(event.revision));
    assert.deepEqual(seen, [2, 3, 4]);
  });

  it('keeps every acknowledged write when its process is killed', async (t) => {
    const path = scratch(t);
    const script = `import { writeSync } from 'node:fs';
      import { createStore, createSqliteJournal } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))};
      const store = createStore({ journal: createSqliteJournal(${JSON.stringify(path)}) });
      for (let i = 1; i < 100_000; i++) {
        store.put({ resource: 'pods', namespace: '', name: 'p' + i }, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' + i } }, 'absent');
        writeSync(1, i + '\\n');
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    let acknowledged = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      acknowledged = Number(chunk.toString().trimEnd().split('\n').at(-1)) || acknowledged;
      if (acknowledged > 200) child.kill('SIGKILL');
    });
    await once(child, 'exit');
    const store = createStore({ journal: createSqliteJournal(path) });
    t.after(() => store.close());
    assert.ok(acknowledged > 200);
    for (let i = 1; i <= acknowledged - 1; i++) assert.ok(store.get(key(`p${i}`, '')), `write ${i} of ${acknowledged} is lost`);
  });
});
