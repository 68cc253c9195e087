import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proportionalSizes, rolloutLimits, rolloutStep, type SetSize } from './rollout.ts';

const limits: [replicas: number, given: Parameters<typeof rolloutLimits>[1], maxSurge: number, maxUnavailable: number][] = [
  [1, {}, 1, 0],
  [4, {}, 1, 1],
  [10, { maxSurge: '25%', maxUnavailable: '25%' }, 3, 2],
  [3, { maxSurge: 0, maxUnavailable: 0 }, 0, 1],
  [2, { maxSurge: '0%', maxUnavailable: '10%' }, 0, 1],
  [2, { maxSurge: 5, maxUnavailable: 5 }, 5, 2],
];
for (const [replicas, given, maxSurge, maxUnavailable] of limits) {
  test(`${replicas} replicas with ${JSON.stringify(given)} allow ${maxSurge} more and ${maxUnavailable} fewer`, () => {
    assert.deepEqual(rolloutLimits(replicas, given), { maxSurge, maxUnavailable });
  });
}

const set = (name: string, replicas: number, available = replicas): SetSize => ({ name, replicas, available });

const steps: {
  name: string;
  replicas: number;
  surge: number;
  unavailable: number;
  current: SetSize;
  old: SetSize[];
  newReplicas: number;
  oldAfter: number[];
}[] = [
  {
    name: 'a first rollout makes everything at once',
    replicas: 3,
    surge: 1,
    unavailable: 0,
    current: set('new', 0),
    old: [],
    newReplicas: 3,
    oldAfter: [],
  },
  {
    name: 'one surge pod first, nothing old goes',
    replicas: 3,
    surge: 1,
    unavailable: 0,
    current: set('new', 0),
    old: [set('a', 3)],
    newReplicas: 1,
    oldAfter: [3],
  },
  {
    name: 'an available new pod lets one old go',
    replicas: 3,
    surge: 1,
    unavailable: 0,
    current: set('new', 1),
    old: [set('a', 3)],
    newReplicas: 1,
    oldAfter: [2],
  },
  {
    name: 'a new pod that is not available lets none go',
    replicas: 3,
    surge: 1,
    unavailable: 0,
    current: set('new', 1, 0),
    old: [set('a', 3)],
    newReplicas: 1,
    oldAfter: [3],
  },
  {
    name: 'without surge an old one goes first',
    replicas: 3,
    surge: 0,
    unavailable: 1,
    current: set('new', 0),
    old: [set('a', 3)],
    newReplicas: 0,
    oldAfter: [2],
  },
  {
    name: 'unhealthy old pods go before healthy ones of an older set',
    replicas: 3,
    surge: 1,
    unavailable: 1,
    current: set('new', 1, 1),
    old: [set('a', 1), set('b', 2, 1)],
    newReplicas: 1,
    oldAfter: [0, 1],
  },
  {
    name: 'a current set that is too big shrinks',
    replicas: 2,
    surge: 1,
    unavailable: 0,
    current: set('new', 5),
    old: [],
    newReplicas: 2,
    oldAfter: [],
  },
  {
    name: 'the end of a rollout takes the last old one',
    replicas: 2,
    surge: 1,
    unavailable: 0,
    current: set('new', 2),
    old: [set('a', 1)],
    newReplicas: 2,
    oldAfter: [0],
  },
];
for (const { name, replicas, surge, unavailable, current, old, newReplicas, oldAfter } of steps) {
  test(`rolling update: ${name}`, () => {
    const step = rolloutStep(replicas, { maxSurge: surge, maxUnavailable: unavailable }, { current, old });
    assert.equal(step.newReplicas, newReplicas);
    assert.deepEqual(
      old.map((one) => step.old.get(one.name)),
      oldAfter,
    );
  });
}

test('any sequence of rounds ends with only the new set and never falls below the minimum', () => {
  for (const [replicas, surge, unavailable] of [
    [1, 1, 0],
    [5, 2, 1],
    [4, 0, 1],
    [7, 0, 3],
  ] as const) {
    let current = set('new', 0);
    let old = [set('a', replicas)];
    for (let round = 0; round < 50; round++) {
      const step = rolloutStep(replicas, { maxSurge: surge, maxUnavailable: unavailable }, { current, old });
      current = { ...current, replicas: step.newReplicas };
      old = old.map((one) => ({ ...one, replicas: step.old.get(one.name) ?? 0, available: step.old.get(one.name) ?? 0 }));
      const available = current.available + old.reduce((sum, one) => sum + one.available, 0);
      assert.ok(available >= replicas - unavailable, `${available} of ${replicas} available`);
      assert.ok(current.replicas + old.reduce((sum, one) => sum + one.replicas, 0) <= replicas + surge);
      current = { ...current, available: Math.min(current.replicas, current.available + 1) };
    }
    assert.deepEqual([current.replicas, old[0]?.replicas], [replicas, 0]);
  }
});

test('a changed size is shared in proportion and adds up', () => {
  assert.deepEqual([...proportionalSizes([set('a', 3), set('b', 1)], 8).values()], [6, 2]);
  assert.deepEqual([...proportionalSizes([set('a', 1), set('b', 1), set('c', 1)], 10).values()], [3, 3, 4]);
});
