// A gateway under test: the control plane in this process on a folder of YAML, the engine as a child.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { eventually, freePort } from '@lateen/base/testing';
import { runControlPlane } from '@lateen/control';
import { noEnvoy, startEnvoy } from '../support/envoy.ts';
import { httpRequest } from '../support/http.ts';
import { checkout } from '../support/mesh.ts';
import { exitOf } from '../support/run.ts';
import { bootstrapYaml, objectsYaml } from './gateway-config.ts';
import { startUpstream, type Upstream } from './gateway-upstream.ts';

export type Engine = { name: string; start: (bootstrap: string) => ChildProcess; skip: string | undefined };

export const ENGINES: readonly Engine[] = [
  {
    name: "Lateen's proxy",
    start: (bootstrap) => spawn(join(checkout, 'lateen'), ['proxy', '-c', bootstrap], { stdio: ['ignore', 'pipe', 'pipe'] }),
    skip: undefined,
  },
  { name: 'Envoy', start: startEnvoy, skip: noEnvoy },
];

export type Gateway = { port: number; url: string; v1: Upstream; v2: Upstream };

/** Serves the configuration of gateway-config.ts; everything ends with the test. */
export async function startGateway(t: TestContext, engine: Engine): Promise<Gateway> {
  const folder = mkdtempSync(join(tmpdir(), 'lateen-gateway-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [v1, v2, port, admin] = await Promise.all([startUpstream(t, 'v1'), startUpstream(t, 'v2'), freePort(), freePort()]);
  const configDir = join(folder, 'objects');
  mkdirSync(configDir);
  writeFileSync(join(configDir, 'objects.yaml'), objectsYaml({ v1: v1.port, v2: v2.port, port }));
  const controlPlane = await runControlPlane(['--config-dir', configDir, '--xds', '127.0.0.1:0', '--http', '127.0.0.1:0']);
  t.after(() => controlPlane.close());
  const bootstrap = join(folder, 'bootstrap.yaml');
  writeFileSync(bootstrap, bootstrapYaml({ xds: controlPlane.ports.xds, admin }));
  const child = engine.start(bootstrap);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk;
    });
  }
  t.after(async () => {
    child.kill('SIGTERM');
    await exitOf(child);
  });
  const url = `http://127.0.0.1:${port}`;
  await eventually(
    async () => {
      assert.equal(child.exitCode, null, output);
      assert.equal((await httpRequest(`${url}/exact`, { headers: { host: 'shop.example.com' } })).status, 200, output);
    },
    { timeoutMs: 20_000 },
  );
  return { port, url, v1, v2 };
}
