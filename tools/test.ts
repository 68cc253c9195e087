// Runs test tiers with node:test. `unit` lies beside the sources, the others below test/. Usage: node tools/test.ts TIER...

import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');

/** Tiers, the files of each, and how many may run at once: an end-to-end file owns the machine while it runs. */
const TIERS: Record<string, { files: string[]; concurrency: number }> = {
  unit: { files: ['packages/*/src/**/*.test.ts', 'samples/**/*.test.ts', 'tools/**/*.test.ts'], concurrency: 2 },
  integration: { files: ['test/integration/**/*.test.ts'], concurrency: 2 },
  conformance: { files: ['test/conformance/**/*.test.ts', 'test/fuzz/**/*.test.ts'], concurrency: 2 },
  e2e: { files: ['test/e2e/**/*.test.ts'], concurrency: 1 },
};

let failed = false;
for (const name of process.argv.slice(2)) {
  const tier = TIERS[name];
  if (!tier) throw new Error(`no test tier ${JSON.stringify(name)}; there are: ${Object.keys(TIERS).join(', ')}`);
  const files = tier.files.flatMap((pattern) => globSync(pattern, { cwd: root, exclude: ['**/node_modules/**'] })).sort();
  if (files.length === 0) throw new Error(`no test file in tier ${name}`);
  console.log(`\n${name}: ${files.length} files`);
  const reporter = process.stdout.isTTY ? 'spec' : 'dot';
  const { status } = spawnSync(
    process.execPath,
    [
      '--test',
      `--test-concurrency=${tier.concurrency}`,
      '--test-timeout=600000',
      `--test-reporter=${process.env.TEST_REPORTER ?? reporter}`,
      '--test-reporter-destination=stdout',
      '--test-reporter=./tools/test-summary.ts',
      '--test-reporter-destination=stdout',
      ...files,
    ],
    { cwd: root, stdio: 'inherit' },
  );
  failed ||= status !== 0;
}
process.exitCode = failed ? 1 : 0;
