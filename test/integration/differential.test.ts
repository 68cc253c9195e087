// The same bootstrap and request through Envoy and through Lateen's proxy must give the same. Envoy's part is run where it is
// installed, and read from test/differential/goldens elsewhere; UPDATE_GOLDEN=1 records it. DIFFERENTIAL=text runs the groups whose name holds the text.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { GROUPS } from '../differential/cases/index.ts';
import { readGoldens, writeGoldens } from '../differential/goldens.ts';
import { type Case, type Leg, legsOf, type Scene } from '../differential/model.ts';
import { keyOf, type Result, type Results, runEnvoy, runLateen } from '../differential/run.ts';
import { startUpstreams, type Upstreams } from '../differential/upstreams.ts';
import { noEnvoy } from '../support/envoy.ts';

const REQUIRED_PAIRS = 300;
/** What no scene can do yet. */
const NOT_YET: Partial<Record<Leg, string>> = {
  'h2-h1': 'HTTP/2 from clients is being built',
  'h1-h2': 'HTTP/2 to upstreams is being built',
  'h2-h2': 'HTTP/2 is being built',
};
const updates = process.env['UPDATE_GOLDEN'] === '1';
const asked = process.env['DIFFERENTIAL'];

let upstreams: Upstreams;
let equalPairs = 0;
before(async () => {
  upstreams = await startUpstreams();
});
after(() => upstreams.close());

for (const [group, scenes] of Object.entries(GROUPS)) {
  if (asked && !group.includes(asked)) continue;
  test(`differential: ${group}`, async (t) => {
    const goldens = readGoldens(group);
    let envoy: Results = goldens;
    if (!noEnvoy) {
      envoy = await runEnvoy(scenes, upstreams);
      if (updates) writeGoldens(group, envoy);
      else await t.test('the goldens are what Envoy does', () => assertGoldens(goldens, envoy));
    }
    const lateen = await runLateen(scenes, upstreams);
    for (const scene of scenes) {
      await t.test(scene.name, async (t) => {
        const logs: { expected: unknown; actual: unknown }[] = [];
        for (const one of scene.cases) {
          for (const leg of legsOf(scene, one)) {
            const key = keyOf(scene, one, leg);
            const [expected, actual] = [envoy.get(key), lateen.get(key)];
            const todo = todoOf(scene, one, leg);
            if (one.differs) {
              await t.test(`${one.name} / ${leg}: differs on purpose: ${one.differs}`, () =>
                assert.notDeepEqual(wireOf(actual), wireOf(expected)),
              );
              continue;
            }
            await t.test(`${one.name} / ${leg}`, { ...(todo && { todo }) }, () => {
              assert.deepEqual(wireOf(actual), wireOf(expected));
              equalPairs++;
              logs.push({ expected: logOf(key, expected), actual: logOf(key, actual) });
            });
          }
        }
        await t.test('the access log', () =>
          assert.deepEqual(
            logs.map(({ actual }) => actual),
            logs.map(({ expected }) => expected),
          ),
        );
      });
    }
  });
}

test(`at least ${REQUIRED_PAIRS} pairs of bootstrap and request lead to the same`, {
  skip: asked ? 'only some groups run' : false,
}, (t) => {
  t.diagnostic(`${equalPairs} pairs`);
  assert.ok(equalPairs >= REQUIRED_PAIRS, `only ${equalPairs}`);
});

function todoOf(scene: Scene, one: Case, leg: Leg): string | undefined {
  return NOT_YET[leg] ?? scene.todo ?? (typeof one.todo === 'object' ? one.todo[leg] : one.todo);
}

function wireOf(result: Result | undefined): unknown {
  assert.ok(result, 'no golden of this pair: record with UPDATE_GOLDEN=1 where Envoy is installed');
  return 'outcome' in result ? result.outcome : result;
}

const logOf = (key: string, result: Result | undefined) => ({ key, log: result && 'log' in result ? result.log : [] });

function assertGoldens(goldens: Results, live: Results): void {
  assert.deepEqual([...goldens.keys()].sort(), [...live.keys()].sort(), 'the cases changed: UPDATE_GOLDEN=1');
  for (const [key, result] of live) assert.deepEqual(result, goldens.get(key), key);
}
