// Prints every pair in which Lateen and Envoy differ, shortly: node test/differential/report.ts [GROUP] [LEG]. Needs Envoy.

import { GROUPS } from './cases/index.ts';
import { legsOf, type Outcome } from './model.ts';
import { keyOf, runEnvoy, runLateen } from './run.ts';
import { startUpstreams } from './upstreams.ts';

const [group = '', onlyLeg = ''] = process.argv.slice(2);
const upstreams = await startUpstreams();
for (const [name, scenes] of Object.entries(GROUPS)) {
  if (!name.includes(group)) continue;
  const envoy = await runEnvoy(scenes, upstreams);
  const lateen = await runLateen(scenes, upstreams);
  for (const scene of scenes) {
    let equal = 0;
    let refused: string | undefined;
    for (const one of scene.cases) {
      for (const leg of legsOf(scene, one)) {
        if (!leg.includes(onlyLeg)) continue;
        const key = keyOf(scene, one, leg);
        const [expected, actual] = [envoy.get(key)!, lateen.get(key)!];
        if ('refused' in actual || 'refused' in expected) {
          refused = 'refused' in actual ? actual.refused : refused;
          continue;
        }
        const lines = differences(expected.outcome, actual.outcome);
        if (JSON.stringify(expected.log) !== JSON.stringify(actual.log))
          lines.push(`log: ${expected.log.join(' & ')}  !=  ${actual.log.join(' & ')}`);
        if (lines.length === 0) equal++;
        else console.log([key, ...lines].join('\n    '));
      }
    }
    console.log(`--- ${scene.name}: ${equal} equal${refused ? `; refused: ${refused}` : ''}`);
  }
}
await upstreams.close();

/** Lines `path: what Envoy did != what Lateen did`. */
function differences(expected: Outcome, actual: Outcome): string[] {
  const [left, right] = [flatten(expected), flatten(actual)];
  return [...new Set([...left.keys(), ...right.keys()])]
    .filter((path) => left.get(path) !== right.get(path))
    .map((path) => `${path}: ${left.get(path) ?? '(none)'}  !=  ${right.get(path) ?? '(none)'}`);
}

function flatten(value: unknown, path = '', into = new Map<string, string>()): Map<string, string> {
  const isHeaders = /(headers|trailers)$/.test(path) && Array.isArray(value);
  if (isHeaders) {
    for (const [name, text] of value as [string, string][])
      into.set(`${path}.${name}`, [into.get(`${path}.${name}`), text].filter((one) => one !== undefined).join(' + '));
  } else if (value !== null && typeof value === 'object')
    for (const [key, inner] of Object.entries(value)) flatten(inner, path ? `${path}.${key}` : key, into);
  else into.set(path, JSON.stringify(value));
  return into;
}
