// A host-side parent, as `lateen up` is one, to be killed by survival.test.ts. Prints what the child reports; ends when it ends.

import path from 'node:path';
import type { NetworkMode } from '../../contracts.ts';
import { startNodeProcess } from '../index.ts';

const node = startNodeProcess({
  mode: process.argv[2] as NetworkMode,
  childModule: path.join(import.meta.dirname, 'survival-child.ts'),
  stdio: ['ignore', 'ignore', 'inherit'],
  argv: [process.argv[2] as string],
  onReport: (value) => process.stdout.write(`${JSON.stringify(value)}\n`),
});
const exit = await node.exited;
process.stdout.write(`${JSON.stringify({ exit })}\n`);
process.exit(1);
