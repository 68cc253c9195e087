// The only place of the command line that reads the environment.

import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

export type CliSettings = {
  /** `lateen`, or `istioctl` when called by that name. */
  programName: string;
  /** The checkout that this program runs from. */
  checkout: string;
  /** Where `lateen up` keeps objects, keys, logs and the kubeconfig unless told otherwise. */
  stateDir: string;
  /** KUBECONFIG, unexpanded, or undefined. */
  kubeconfig: string | undefined;
  color: boolean;
  /** Where the processes of this program keep compiled code; undefined when it cannot be written. */
  compileCache: string | undefined;
};

export function readSettings(env: NodeJS.ProcessEnv = process.env): CliSettings {
  const checkout = resolve(import.meta.dirname, '../../..');
  return {
    programName: env.LATEEN_PROGRAM_NAME === 'istioctl' ? 'istioctl' : 'lateen',
    checkout,
    stateDir: resolve(env.LATEEN_STATE_DIR || join(env.XDG_STATE_HOME || join(homedir(), '.local/state'), 'lateen')),
    kubeconfig: env.KUBECONFIG || undefined,
    color: env.NO_COLOR === undefined && env.TERM !== 'dumb' && process.stdout.isTTY === true,
    compileCache: join(checkout, 'node_modules/.cache/lateen'),
  };
}
