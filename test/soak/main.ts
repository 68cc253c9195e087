// `npm run soak`: an hour of mixed load on one proxy whose configuration changes every second. Passes when no request failed, the
// resident memory is flat (under 200 B/s after the first third) and no descriptor leaked.
// Usage: node test/soak/main.ts [--minutes 60] [--rps 150]

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { freePort } from '@lateen/base/testing';
import { createCertificateAuthority } from '@lateen/pki';
import { type KeyPair, type Ports, startControlPlane } from './control-plane.ts';
import { createTraffic, type Flow } from './traffic.ts';
import { startUpstreams } from './upstreams.ts';
import { type Sample, slopeOf, takeSample } from './watch.ts';

const MAX_SLOPE_BYTES_PER_SECOND = 200;
const SAMPLE_EVERY_MS = 5000;
/** What may stand open in the proxy for a moment: sockets in their last seconds. */
const DESCRIPTOR_SLACK = 16;

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '60' }, rps: { type: 'string', default: '150' } } });
const seconds = Number(values.minutes) * 60;
const folder = mkdtempSync(join(tmpdir(), 'lateen-soak-'));
const checkout = resolve(import.meta.dirname, '../..');
let child: ChildProcess | undefined;
process.once('exit', () => {
  child?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const ports: Ports = { http: await freePort(), tls: await freePort(), tcp: await freePort() };
const upstreams = await startUpstreams(6);
const control = await startControlPlane(ports, upstreams, certificates());
const bootstrap = join(folder, 'bootstrap.json');
writeFileSync(bootstrap, JSON.stringify(bootstrapOf(control.port)));
child = spawn(join(checkout, 'lateen'), ['proxy', '-c', bootstrap, '-l', 'error'], { stdio: ['ignore', 'inherit', 'inherit'] });
const pid = child.pid as number;
for (const port of Object.values(ports)) await untilOpen(port);

const idleDescriptors = takeSample(pid, 0).descriptors;
const { flows, close } = createTraffic(ports, Number(values.rps));
const counts = new Map(flows.map(({ name }) => [name, { started: 0, done: 0, failed: 0, errors: new Map<string, number>() }]));
const startedMs = performance.now();
const elapsed = () => (performance.now() - startedMs) / 1000;
const timers = flows.map((flow) => setInterval(() => void runOnce(flow), 1000 / flow.perSecond));
timers.push(setInterval(() => control.change(), 1000));
const samples: Sample[] = [];
let nextReport = 60;
while (elapsed() < seconds && child.exitCode === null) {
  await sleep(SAMPLE_EVERY_MS);
  samples.push(takeSample(pid, elapsed()));
  if (elapsed() < nextReport) continue;
  nextReport += 60;
  const last = samples.at(-1) as Sample;
  console.error(
    `${Math.round(elapsed() / 60)} min: ${(last.residentBytes / 2 ** 20).toFixed(1)} MiB, ${last.descriptors} descriptors, ${failures()} failed`,
  );
}
for (const timer of timers) clearInterval(timer);
await sleep(2000);
close();
await sleep(3000);
const descriptorsAfter = child.exitCode === null ? takeSample(pid, elapsed()).descriptors : -1;
const settled = samples.filter((sample) => sample.seconds > seconds / 3);
const slope = settled.length > 2 ? slopeOf(settled) : Number.NaN;
const result = {
  minutes: Number(values.minutes),
  requestsPerSecond: Number(values.rps),
  configurationChanges: control.changes,
  slopeBytesPerSecond: Math.round(slope),
  residentMib: { afterOneThird: mib(settled[0]), last: mib(samples.at(-1)) },
  descriptors: { idleBefore: idleDescriptors, idleAfter: descriptorsAfter },
  flows: Object.fromEntries(
    [...counts].map(([name, { errors, ...count }]) => [name, { ...count, ...(errors.size > 0 && { errors: Object.fromEntries(errors) }) }]),
  ),
};
console.log(JSON.stringify(result, null, 2));
child.kill('SIGTERM');
if (child.exitCode === null) await once(child, 'exit');
await control.close();
upstreams.close();
const passes =
  failures() === 0 && slope < MAX_SLOPE_BYTES_PER_SECOND && descriptorsAfter >= 0 && descriptorsAfter <= idleDescriptors + DESCRIPTOR_SLACK;
process.exit(passes ? 0 : 1);

async function runOnce(flow: Flow): Promise<void> {
  const count = counts.get(flow.name)!;
  count.started++;
  try {
    await flow.run();
    count.done++;
  } catch (error) {
    count.failed++;
    const text = error instanceof Error ? error.message : String(error);
    count.errors.set(text, (count.errors.get(text) ?? 0) + 1);
  }
}

function failures(): number {
  return [...counts.values()].reduce((sum, { failed }) => sum + failed, 0);
}

function mib(sample: Sample | undefined): number {
  return sample ? Number((sample.residentBytes / 2 ** 20).toFixed(1)) : 0;
}

function certificates(): () => KeyPair {
  const authority = createCertificateAuthority();
  return () => {
    const { chainPem, keyPem } = authority.issueServer(['localhost']);
    return { certificatePem: chainPem, keyPem };
  };
}

function bootstrapOf(adsPort: number): object {
  return {
    node: { id: 'soak', cluster: 'soak' },
    dynamic_resources: {
      ads_config: { api_type: 'DELTA_GRPC', grpc_services: [{ envoy_grpc: { cluster_name: 'ads' } }] },
      cds_config: { ads: {} },
      lds_config: { ads: {} },
    },
    static_resources: {
      clusters: [
        {
          name: 'ads',
          type: 'STATIC',
          connect_timeout: '1s',
          load_assignment: {
            cluster_name: 'ads',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: adsPort } } } }] }],
          },
        },
      ],
    },
  };
}

async function untilOpen(port: number): Promise<void> {
  for (let i = 0; i < 400; i++) {
    const socket = connect({ host: '127.0.0.1', port });
    const open = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (open) return;
    await sleep(50);
  }
  throw new Error(`the proxy does not listen on port ${port}`);
}
