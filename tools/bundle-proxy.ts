// Bundles `lateen proxy` into node_modules/.cache/lateen/proxy: V8 keeps the source of every module it has loaded, so a data
// plane from one minified file takes a third less memory. `lateen` uses the bundle while no source is newer (docs/decisions/0006).

import { mkdirSync, readFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { build, type Plugin } from 'esbuild';

const root = resolve(import.meta.dirname, '..');
const folder = join(root, 'node_modules/.cache/lateen/proxy');
const startedAt = new Date();

// A worker is an entry of its own, which the program names by the name of its source.
const workerEntry: Plugin = {
  name: 'worker-entry',
  setup({ onLoad }) {
    onLoad({ filter: /\/workers\/worker-pool\.ts$/ }, ({ path }) => {
      const source = readFileSync(path, 'utf8');
      if (!source.includes("'./worker-main.ts'")) throw new Error(`${path} names no worker-main.ts`);
      return { contents: source.replace("'./worker-main.ts'", "'./worker-main.mjs'"), loader: 'ts', resolveDir: dirname(path) };
    });
  },
};

const { outputFiles } = await build({
  entryPoints: [join(root, 'packages/cli/src/proxy-main.ts'), join(root, 'packages/proxy/src/workers/worker-main.ts')],
  outdir: folder,
  entryNames: '[name]',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  // Names stay and lines are short, so that a stack trace can be read.
  minifySyntax: true,
  minifyWhitespace: true,
  lineLimit: 160,
  platform: 'node',
  format: 'esm',
  // Where CommonJS modules are inside, they ask for Node's modules at run time.
  banner: { js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);" },
  plugins: [workerEntry],
  legalComments: 'none',
  logLevel: 'warning',
  write: false,
});
mkdirSync(folder, { recursive: true });
// Chunks are called by what is in them and are left behind: a running proxy may still load one. Entries come last, and as old as
// the oldest source they can hold.
const isEntry = (path: string) => basename(path).endsWith('-main.mjs');
for (const { path, contents } of outputFiles.sort((a, b) => Number(isEntry(a.path)) - Number(isEntry(b.path)))) {
  writeFileSync(`${path}.${process.pid}`, contents);
  utimesSync(`${path}.${process.pid}`, startedAt, startedAt);
  renameSync(`${path}.${process.pid}`, path);
}
