// Real Envoy on the same configuration: the second column, where it is installed.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@lateen/base/testing';
import { startEnvoy } from '../../support/envoy.ts';
import { exitOf } from '../../support/run.ts';
import { bootstrapOf, type JsonObject } from './configuration.ts';

/** Starts Envoy and waits until `port` (a listener's) accepts. The caller closes it. */
export async function startEnvoyTarget(
  listeners: readonly JsonObject[],
  clusters: readonly JsonObject[],
  port: number,
): Promise<{ close(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'lateen-envoy-'));
  const path = join(folder, 'bootstrap.json');
  writeFileSync(path, bootstrapOf(listeners, clusters));
  const child = startEnvoy(path);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk;
    });
  }
  await eventually(
    async () => {
      assert.equal(child.exitCode, null, output);
      assert.ok(await accepts(port), output);
    },
    { timeoutMs: 10_000 },
  );
  return {
    async close() {
      child.kill('SIGTERM');
      await exitOf(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
