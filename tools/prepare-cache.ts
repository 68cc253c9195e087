// Fills Node's compile cache after `npm ci`, so that already the first start finds stripped and compiled sources: it is quicker,
// and each process takes about half the memory. Losing the cache costs only that. The bundle of the data plane is made too.

import { existsSync, globSync, readdirSync, symlinkSync } from 'node:fs';
import { enableCompileCache, flushCompileCache } from 'node:module';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const cache = join(root, 'node_modules/.cache/lateen');
enableCompileCache(cache);

// Entry points do their work only when they are the main module; those that do not are left to their first start.
const sources = globSync(['packages/*/src/**/*.ts', 'samples/**/*.ts'], {
  cwd: root,
  exclude: [
    '**/*.test.ts',
    '**/testing/**',
    '**/node_modules/**',
    'packages/cli/src/main.ts',
    'packages/cli/src/proxy-main.ts',
    'packages/cli/src/machine/node-main.ts',
    '**/worker-main.ts',
    '**/*-child.ts',
    '**/*-probe*.ts',
    '**/*.d.ts',
  ],
});
for (const source of sources.sort()) await import(join(root, source));
flushCompileCache();

// Node keeps a folder per user id. In the user namespace of the rootless rung, this very user has the id 0.
const suffix = `-${process.getuid?.() ?? 0}`;
for (const folder of suffix === '-0' ? [] : readdirSync(cache).filter((name) => name.endsWith(suffix))) {
  const asRoot = `${folder.slice(0, -suffix.length)}-0`;
  if (!existsSync(join(cache, asRoot))) symlinkSync(folder, join(cache, asRoot));
}

// Last, and not needed: without esbuild (`npm ci --omit=dev`) the data plane runs from its sources.
await import('./bundle-proxy.ts');
