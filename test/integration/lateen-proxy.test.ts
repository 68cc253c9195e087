// `lateen proxy` as a process, as people start it: from the bundle where there is a fresh one, and from the sources; with ADS and
// SDS; with several threads.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { eventually, freePort } from '@lateen/base/testing';
import { createCertificateAuthority } from '@lateen/pki';
import { startControlPlane } from '../soak/control-plane.ts';
import { createTraffic } from '../soak/traffic.ts';
import { startUpstreams } from '../soak/upstreams.ts';
import { checkout } from '../support/mesh.ts';

const program = join(checkout, 'bin/lateen');
const bundle = join(checkout, 'node_modules/.cache/lateen/proxy/proxy-main.mjs');
const node = join(checkout, 'node_modules/.bin/node');

const rows: { name: string; command: string; args: readonly string[]; skip?: string | false }[] = [
  { name: 'the program', command: program, args: ['proxy'] },
  { name: 'the bundle', command: node, args: [bundle, 'proxy'], skip: existsSync(bundle) ? false : 'not bundled: npm ci does it' },
  { name: 'the sources', command: node, args: [join(checkout, 'packages/cli/src/main.ts'), 'proxy'] },
  { name: 'two threads', command: program, args: ['proxy', '--concurrency', '2'] },
];

for (const { name, command, args, skip = false } of rows) {
  test(`every protocol, configured by ADS: ${name}`, { skip }, async (t) => {
    const ports = { http: await freePort(), tls: await freePort(), tcp: await freePort() };
    const upstreams = await startUpstreams(2);
    const { chainPem, keyPem } = createCertificateAuthority().issueServer(['localhost']);
    const control = await startControlPlane(ports, upstreams, () => ({ certificatePem: chainPem, keyPem }));
    const said = startProxy(t, command, [...args, '-l', 'warn', '-c', bootstrapFile(t, control.port)]);
    const { flows, close } = createTraffic(ports, 1);
    t.after(async () => {
      close();
      await control.close();
      upstreams.close();
    });
    for (const flow of flows) await eventually(() => flow.run(), { timeoutMs: 15_000 });
    // Nothing fails while endpoints and routes change.
    for (let round = 0; round < 5; round++) {
      control.change();
      await Promise.all(flows.map((flow) => flow.run()));
    }
    assert.equal(said(), '');
  });
}

/** Gives what it wrote so far. Ends with the test. */
function startProxy(t: TestContext, command: string, args: readonly string[]): () => string {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk;
    });
  }
  t.after(async () => {
    if (child.exitCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
  return () => output;
}

function bootstrapFile(t: TestContext, adsPort: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'lateen-proxy-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'bootstrap.json');
  const address = { socket_address: { address: '127.0.0.1', port_value: adsPort } };
  const ads = {
    name: 'ads',
    type: 'STATIC',
    load_assignment: { cluster_name: 'ads', endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
  };
  const bootstrap = {
    node: { id: 'test', cluster: 'test' },
    dynamic_resources: {
      ads_config: { api_type: 'GRPC', grpc_services: [{ envoy_grpc: { cluster_name: 'ads' } }] },
      cds_config: { ads: {} },
      lds_config: { ads: {} },
    },
    static_resources: { clusters: [ads] },
  };
  writeFileSync(path, JSON.stringify(bootstrap));
  return path;
}
