// `npm run bench`: every scenario beside its peers, one after the other, then the bars; arguments go to each (`npm run bench -- --quick`).

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const SCENARIOS = ['h1', 'mtls', 'h2', 'grpc', 'tcp', 'routes', 'latency', 'handshakes', 'idle', 'services', 'start', 'swap'];
const run = (name: string, args: readonly string[]) =>
  spawnSync(process.execPath, [join(import.meta.dirname, `${name}.ts`), ...args], { stdio: 'inherit' }).status === 0;
const failed = SCENARIOS.filter((name) => !run(name, process.argv.slice(2)));
// Quick runs do not touch the results that are kept.
if (!process.argv.includes('--quick')) run('bars', []);
if (failed.length > 0) {
  console.error(`failed: ${failed.join(', ')}`);
  process.exitCode = 1;
}
