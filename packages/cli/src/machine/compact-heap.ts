// Starting leaves garbage behind that V8 keeps as room to grow: some 20 MB in each process that loads the mesh. Once everything
// is up, one thorough collection gives it back.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/** Blocks for some 50 ms; call it once, when nothing is waiting. */
export function compactHeap(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  setFlagsFromString('--no-expose-gc');
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
