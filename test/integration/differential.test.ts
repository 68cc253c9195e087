// The same bootstrap and request through Envoy and through Lateen's proxy must give the same. Envoy's part is run where it is
// installed, and read from test/differential/testdata elsewhere; UPDATE_GOLDEN=1 records it. DIFFERENTIAL=text runs the groups whose
// name holds the text. To see differences in short: node test/differential/report.ts.

import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { GROUPS } from '../differential/cases/index.ts';
import { readGoldens, writeGoldens } from '../differential/goldens.ts';
import { legsOf, type Scene } from '../differential/model.ts';
import { type NotYet, notYet } from '../differential/not-yet.ts';
import { keyOf, type Result, type Results, runEnvoy, runLateen } from '../differential/run.ts';
import { startUpstreams } from '../differential/upstreams.ts';
import { noEnvoy } from '../support/envoy.ts';

const REQUIRED_PAIRS = 300;
const updates = process.env['UPDATE_GOLDEN'] === '1';
const asked = process.env['DIFFERENTIAL'];

let equalPairs = 0;

describe('differential', { concurrency: 4 }, () => {
  for (const [group, scenes] of Object.entries(GROUPS)) {
    if (asked && !group.includes(asked)) continue;
    test(group, async (t) => {
      const upstreams = await startUpstreams();
      t.after(() => upstreams.close());
      const goldens = readGoldens(group);
      let envoy: Results = goldens;
      if (!noEnvoy) {
        envoy = await runEnvoy(scenes, upstreams);
        if (updates) writeGoldens(group, envoy);
        else await t.test('the goldens are what Envoy does', () => assertGoldens(goldens, envoy));
      }
      const lateen = await runLateen(scenes, upstreams);
      for (const scene of scenes) await t.test(scene.name, (t) => compareScene(t, scene, { envoy, lateen }));
    });
  }
});

test(`at least ${REQUIRED_PAIRS} pairs of bootstrap and request lead to the same`, {
  skip: asked ? 'only some groups run' : false,
}, (t) => {
  t.diagnostic(`${equalPairs} pairs`);
  assert.ok(equalPairs >= REQUIRED_PAIRS, `only ${equalPairs}`);
});

async function compareScene(t: TestContext, scene: Scene, { envoy, lateen }: { envoy: Results; lateen: Results }): Promise<void> {
  for (const one of scene.cases) {
    for (const leg of legsOf(scene, one)) {
      const [expected, actual] = [envoy.get(keyOf(scene, one, leg)), lateen.get(keyOf(scene, one, leg))];
      const name = `${one.name} / ${leg}`;
      if (one.differs) {
        t.diagnostic(`${name} differs on purpose: ${one.differs}`);
        continue;
      }
      const known = notYet(scene, one, leg);
      await t.test(name, todoOf(known, false), () => {
        assert.deepEqual(wireOf(actual), wireOf(expected));
        equalPairs++;
      });
      await t.test(`${name}: the access log`, todoOf(known, true), () => assert.deepEqual(logOf(actual), logOf(expected)));
    }
  }
}

function todoOf(known: NotYet | undefined, isLog: boolean): { todo?: string } {
  return known && (isLog || !known.onlyLog) ? { todo: known.why } : {};
}

function wireOf(result: Result | undefined): unknown {
  assert.ok(result, 'no golden of this pair: record with UPDATE_GOLDEN=1 where Envoy is installed');
  return 'outcome' in result ? result.outcome : result;
}

const logOf = (result: Result | undefined) => (result && 'log' in result ? result.log : result);

function assertGoldens(goldens: Results, live: Results): void {
  assert.deepEqual([...goldens.keys()].sort(), [...live.keys()].sort(), 'the cases changed: UPDATE_GOLDEN=1');
  for (const [key, result] of live) assert.deepEqual(result, goldens.get(key), key);
}
