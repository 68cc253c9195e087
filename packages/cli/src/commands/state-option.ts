import { resolve } from 'node:path';
import { Option } from 'commander';
import { type StatePaths, statePaths } from '../machine/state-dir.ts';
import type { CliSettings } from '../settings.ts';

/** `--state-dir`, shared by every command that speaks to a mesh of `lateen up`. */
export function stateDirOption(settings: CliSettings): Option {
  return new Option('--state-dir <dir>', 'where the mesh keeps its objects, keys and logs (env LATEEN_STATE_DIR)')
    .default(settings.stateDir)
    .argParser((dir: string) => resolve(dir));
}

export function pathsOf(options: { stateDir: string }): StatePaths {
  return statePaths(options.stateDir);
}
