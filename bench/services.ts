// Resident memory with 1,000 services in scope: as many clusters and virtual hosts, one of each in use.

import { residentKib } from './support/cpu.ts';
import { startUpstream, withPeers } from './support/http-scenario.ts';
import { wrk } from './support/load.ts';
import { interleave, settingsFromArguments } from './support/measure.ts';
import { answersHttp1 } from './support/ready.ts';
import { publish, type Row, rowOf } from './support/report.ts';
import { settle } from './support/settle.ts';
import { FOUR_PREFIXES, REQUEST_PATH, type Setup } from './support/setup.ts';
import { onStage } from './support/stage.ts';

const settings = settingsFromArguments();
const rows: Row[] = [];
for (const idleClusters of [0, 1000]) {
  await onStage(async (stage) => {
    const upstreamPort = await startUpstream(stage, { bodyBytes: 100 });
    const setup: Setup = { downstream: 'http1', upstream: 'http1', upstreamPort, prefixes: FOUR_PREFIXES, idleClusters };
    await withPeers(stage, { setup, settings, isReady: answersHttp1 }, async (peers) => {
      const name = `${idleClusters} services beside`;
      await settle();
      const started = await interleave(peers, { warmUps: 0, runs: 1 }, async ({ pid }) => residentKib(pid) / 1024);
      rows.push(rowOf({ name: `${name}, started`, unit: 'MiB', better: 'less' }, started));
      const loaded = await interleave(peers, { warmUps: 0, runs: 1 }, async ({ pid, port }) => {
        await wrk(`http://127.0.0.1:${port}${REQUEST_PATH}`, { connections: 16, seconds: settings.seconds });
        return residentKib(pid) / 1024;
      });
      rows.push(rowOf({ name: `${name}, after load`, unit: 'MiB', better: 'less' }, loaded));
      await settle();
      const again = await interleave(peers, { warmUps: 0, runs: 1 }, async ({ pid }) => residentKib(pid) / 1024);
      rows.push(rowOf({ name: `${name}, settled again`, unit: 'MiB', better: 'less' }, again));
    });
  });
}
publish({
  scenario: 'services',
  method:
    'VmRSS of all processes of the proxy; one run on a fresh process, 46 s after its start and after the load; load is wrk with 16 connections',
  settings,
  rows,
});
