// Writes every generated file of the repository. `check` runs the same into a scratch folder and compares.

import { join, resolve } from 'node:path';
import { generateCrds } from './generate/crds.ts';
import { generateXdsMessages } from './generate/xds.ts';

const root = resolve(import.meta.dirname, '..');

/** Generated folders and what fills them. */
export const GENERATED: { folder: string; generate: (outDir: string) => void | Promise<void> }[] = [
  { folder: 'packages/xds/src/messages/gen', generate: generateXdsMessages },
  { folder: 'packages/api/generated', generate: generateCrds },
];

if (import.meta.main) for (const { folder, generate } of GENERATED) await generate(join(root, folder));
