import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openingMounts, programMounts } from './program-mounts.ts';

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

test('an empty folder stands in for the outermost one that the user may not enter', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'lateen-closed-'));
  t.after(() => rmSync(root, { recursive: true }));
  chmodSync(root, 0o755);
  const closed = join(root, 'closed');
  mkdirSync(join(closed, 'checkout/samples'), { recursive: true });
  chmodSync(closed, 0o700);
  const program = { here: join(closed, 'checkout/samples'), entrypoint: [], cmd: [], env: {} };
  const stranger = (process.getuid?.() ?? 0) + 1;
  const [opening, ...more] = openingMounts(program, stranger, join(root, 'scratch'));
  assert.equal(opening?.target, closed);
  assert.ok(existsSync(opening?.source ?? ''));
  assert.deepEqual(more, []);
  assert.deepEqual(
    programMounts(program, [opening as { source: string; target: string; readOnly: boolean }]).map(({ target }) => target),
    [program.here],
  );
  chmodSync(closed, 0o711);
  assert.deepEqual(openingMounts(program, stranger, join(root, 'scratch')), []);
});
