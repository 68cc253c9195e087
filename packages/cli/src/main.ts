// The entry of `lateen` and `istioctl`. Node's compile cache is switched on before anything else is loaded: it keeps the
// stripped TypeScript, which makes every later start (and the memory of every process) much smaller.

import { enableCompileCache } from 'node:module';
import { join, resolve } from 'node:path';

const checkout = resolve(import.meta.dirname, '../../..');
enableCompileCache(join(checkout, 'node_modules/.cache/lateen'));

const { runProgram } = await import('./program.ts');
process.exitCode = await runProgram(process.argv.slice(2));
