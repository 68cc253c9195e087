// `npm run check`: types, format and lint, type-aware lint, layers, generated files fresh, unit and golden tests. Everything is
// run even after a failure, so that one run shows all there is to mend.

import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { GENERATED } from './generate.ts';
import { checkLayers } from './layers.ts';

const root = resolve(import.meta.dirname, '..');
type Outcome = { ok: boolean; output: string };

const bin = (name: string) => join(root, 'node_modules/.bin', name);
const STEPS: { name: string; run: () => Promise<Outcome> }[] = [
  { name: 'types', run: () => command(bin('tsc'), ['-p', 'tsconfig.json']) },
  { name: 'format and lint', run: () => command(bin('biome'), ['ci', '--colors=off', '.']) },
  { name: 'type-aware lint', run: () => command(bin('oxlint'), ['--type-aware', 'packages', 'samples', 'test', 'tools']) },
  { name: 'layers', run: async () => lines(checkLayers()) },
  { name: 'generated files', run: async () => lines(await staleFiles()) },
  { name: 'unit and golden tests', run: () => command(process.execPath, ['tools/test.ts', 'unit']) },
];

function command(path: string, args: string[]): Promise<Outcome> {
  return new Promise((done) => {
    const child = spawn(path, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    child.on('error', (error) => done({ ok: false, output: error.message }));
    child.on('close', (code) => done({ ok: code === 0, output }));
  });
}

const lines = (problems: string[]): Outcome => ({ ok: problems.length === 0, output: problems.join('\n') });

async function staleFiles(): Promise<string[]> {
  const problems: string[] = [];
  for (const { folder, generate } of GENERATED) {
    // Some generators complete a folder rather than fill an empty one.
    const scratch = mkdtempSync(join(tmpdir(), 'lateen-generated-'));
    try {
      cpSync(join(root, folder), scratch, { recursive: true });
      await generate(scratch);
      const fresh = filesBelow(scratch);
      const committed = filesBelow(join(root, folder));
      for (const name of new Set([...fresh.keys(), ...committed.keys()])) {
        if (fresh.get(name) !== committed.get(name))
          problems.push(`${folder}/${name} is not what its generator writes; run "npm run generate"`);
      }
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }
  return problems;
}

function filesBelow(folder: string): Map<string, string> {
  const files = readdirSync(folder, { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile());
  return new Map(
    files.map((entry) => join(entry.parentPath, entry.name)).map((path) => [relative(folder, path), readFileSync(path, 'utf8')]),
  );
}

let failed = false;
for (const { name, run } of STEPS) {
  const startedMs = performance.now();
  const { ok, output } = await run();
  console.log(`${ok ? 'ok  ' : 'FAIL'}  ${name} (${((performance.now() - startedMs) / 1000).toFixed(1)} s)`);
  if (!ok || name.includes('tests')) console.log(output.trimEnd());
  failed ||= !ok;
}
process.exitCode = failed ? 1 : 0;
