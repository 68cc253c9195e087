// `npm run bench`: every scenario beside its peers, one after the other; arguments go to each (`npm run bench -- --quick`).

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const SCENARIOS = ['h1', 'mtls', 'h2', 'grpc', 'tcp', 'routes', 'latency', 'handshakes', 'idle', 'services', 'start', 'swap'];
const failed = SCENARIOS.filter((name) => {
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, `${name}.ts`), ...process.argv.slice(2)], { stdio: 'inherit' });
  return status !== 0;
});
if (failed.length > 0) {
  console.error(`failed: ${failed.join(', ')}`);
  process.exitCode = 1;
}
