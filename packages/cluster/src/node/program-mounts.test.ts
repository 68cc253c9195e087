import assert from 'node:assert/strict';
import { test } from 'node:test';
import { programMounts } from './program-mounts.ts';

const image = { here: '/tmp/checkout/samples', entrypoint: ['/tmp/checkout/bin/node', 'web.ts'], cmd: [], env: {} };
const mount = (target: string) => ({ source: '/state/volume', target, readOnly: false });

const cases: { name: string; mounts: string[]; back: string[] }[] = [
  { name: 'no volume hides anything', mounts: ['/data', '/tmp2'], back: [] },
  { name: 'a volume over everything', mounts: ['/tmp'], back: ['/tmp/checkout/samples', '/tmp/checkout/bin'] },
  {
    name: 'a volume over one folder',
    mounts: ['/tmp/checkout/bin/..', '/tmp/checkout/bin', '/tmp/checkout'],
    back: ['/tmp/checkout/samples', '/tmp/checkout/bin'],
  },
  { name: 'a volume on the very folder is meant', mounts: ['/tmp/checkout/samples'], back: [] },
];
for (const { name, mounts, back } of cases) {
  test(`programs behind volumes: ${name}`, () => {
    assert.deepEqual(
      programMounts(image, mounts.map(mount)).map(({ target }) => target),
      back,
    );
  });
}
