import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@lateen/base';
import { eventually } from '@lateen/base/testing';
import { createMoveWatcher } from './watch-moves.ts';

function setup(t: TestContext, isDirectoryWatched: boolean) {
  const root = mkdtempSync(join(tmpdir(), 'lateen-moves-'));
  const [dir, other] = [join(root, 'watched'), join(root, 'other')];
  mkdirSync(dir);
  mkdirSync(other);
  writeFileSync(join(dir, 'f'), 'first');
  let moves = 0;
  const errors: string[] = [];
  const watcher = createMoveWatcher({
    clock: systemClock,
    onMove: () => void moves++,
    onError: (directory) => void errors.push(directory),
  });
  t.after(() => {
    watcher.close();
    rmSync(root, { recursive: true });
  });
  watcher.follow(new Map([['id', { path: join(dir, 'f'), watchedDirectory: isDirectoryWatched ? dir : '' }]]));
  return { dir, other, errors, watcher, moves: () => moves };
}

/** A new version as Kubernetes lays it into a volume. */
function swapVolume(dir: string, version: string): void {
  mkdirSync(join(dir, `..${version}`));
  writeFileSync(join(dir, `..${version}`, 'g'), version);
  symlinkSync(`..${version}`, join(dir, '..data_tmp'));
  renameSync(join(dir, '..data_tmp'), join(dir, '..data'));
}

const rows: { name: string; act(place: { dir: string; other: string }): void | Promise<void>; file: number; directory: number }[] = [
  {
    name: 'a rename over the file',
    act({ dir }) {
      writeFileSync(join(dir, 'f.new'), 'second');
      renameSync(join(dir, 'f.new'), join(dir, 'f'));
    },
    file: 1,
    directory: 1,
  },
  {
    name: 'a rename from another directory right after the write',
    act({ dir, other }) {
      writeFileSync(join(other, 'x'), 'second');
      renameSync(join(other, 'x'), join(dir, 'f'));
    },
    file: 1,
    directory: 1,
  },
  {
    name: 'a rename from another directory long after the write',
    async act({ dir, other }) {
      writeFileSync(join(other, 'x'), 'second');
      await sleep(30);
      renameSync(join(other, 'x'), join(dir, 'f'));
    },
    file: 1,
    directory: 1,
  },
  {
    name: 'a rename from another directory, then another mode',
    async act({ dir, other }) {
      writeFileSync(join(other, 'x'), 'second');
      renameSync(join(other, 'x'), join(dir, 'f'));
      await sleep(15);
      chmodSync(join(dir, 'f'), 0o600);
    },
    file: 1,
    directory: 1,
  },
  { name: 'a write in place', act: ({ dir }) => writeFileSync(join(dir, 'f'), 'second'), file: 0, directory: 0 },
  { name: 'an append', act: ({ dir }) => appendFileSync(join(dir, 'f'), 'more'), file: 0, directory: 0 },
  {
    name: 'removed and written anew',
    act({ dir }) {
      rmSync(join(dir, 'f'));
      writeFileSync(join(dir, 'f'), 'second');
    },
    file: 0,
    directory: 0,
  },
  {
    name: 'removed, written anew later',
    async act({ dir }) {
      rmSync(join(dir, 'f'));
      await sleep(30);
      writeFileSync(join(dir, 'f'), 'second');
    },
    file: 0,
    directory: 0,
  },
  {
    name: 'another file moved',
    act({ dir }) {
      writeFileSync(join(dir, 'g.new'), 'second');
      renameSync(join(dir, 'g.new'), join(dir, 'g'));
    },
    file: 0,
    directory: 1,
  },
  { name: 'a volume that changes', act: ({ dir }) => swapVolume(dir, '1'), file: 0, directory: 1 },
];

for (const { name, act, file, directory } of rows) {
  for (const [what, isDirectoryWatched, expected] of [
    ['the file', false, file],
    ['the directory', true, directory],
  ] as const) {
    test(`${name}, watching ${what}: ${expected === 0 ? 'nothing' : 'told once'}`, async (t) => {
      const { dir, other, moves } = setup(t, isDirectoryWatched);
      await act({ dir, other });
      if (expected > 0) await eventually(() => assert.equal(moves(), expected));
      await sleep(120);
      assert.equal(moves(), expected);
    });
  }
}

test('each of many renames in a row is told', async (t) => {
  const { dir, moves } = setup(t, false);
  for (let i = 1; i <= 20; i++) {
    writeFileSync(join(dir, 'f.new'), `${i}`);
    renameSync(join(dir, 'f.new'), join(dir, 'f'));
    await eventually(() => assert.equal(moves(), i));
  }
});

test('a directory that is not there is told, and watched when it came', async (t) => {
  const { dir, errors, watcher, moves } = setup(t, false);
  const watches = new Map([['late', { path: join(dir, 'late/f'), watchedDirectory: '' }]]);
  watcher.follow(watches);
  assert.deepEqual(errors, [join(dir, 'late')]);
  mkdirSync(join(dir, 'late'));
  watcher.follow(watches);
  writeFileSync(join(dir, 'f.new'), 'x');
  renameSync(join(dir, 'f.new'), join(dir, 'late/f'));
  await eventually(() => assert.equal(moves(), 1));
});
