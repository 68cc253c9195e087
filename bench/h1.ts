// HTTP/1.1 without TLS: requests per CPU-second with bodies of 100 bytes and 64 KiB. See README.md for the method.

import { methodOf, rowPerCpuSecond, startUpstream, withPeers } from './support/http-scenario.ts';
import { wrk } from './support/load.ts';
import { settingsFromArguments } from './support/measure.ts';
import { answersHttp1 } from './support/ready.ts';
import { publish, type Row } from './support/report.ts';
import { FOUR_PREFIXES, REQUEST_PATH, type Setup } from './support/setup.ts';
import { onStage } from './support/stage.ts';

const ROWS = [
  { name: '100 B, 1 connection', bodyBytes: 100, connections: 1 },
  { name: '100 B, 16 connections', bodyBytes: 100, connections: 16 },
  { name: '100 B, 64 connections', bodyBytes: 100, connections: 64 },
  { name: '64 KiB, 16 connections', bodyBytes: 65_536, connections: 16 },
];

const settings = settingsFromArguments();
const rows: Row[] = [];
for (const bodyBytes of [100, 65_536]) {
  const asked = ROWS.filter((row) => row.bodyBytes === bodyBytes && row.name.includes(settings.only ?? ''));
  if (asked.length === 0) continue;
  await onStage(async (stage) => {
    const upstreamPort = await startUpstream(stage, { bodyBytes });
    const setup: Setup = { downstream: 'http1', upstream: 'http1', upstreamPort, prefixes: FOUR_PREFIXES };
    await withPeers(stage, { setup, settings, isReady: answersHttp1 }, async (peers) => {
      for (const { name, connections } of asked) {
        const load = async (peer: { port: number }) =>
          (await wrk(`http://127.0.0.1:${peer.port}${REQUEST_PATH}`, { connections, seconds: settings.seconds })).requests;
        rows.push(await rowPerCpuSecond(name, { peers, settings, load }));
      }
    });
  });
}
publish({
  scenario: 'h1',
  method: methodOf(settings, 'wrk'),
  settings,
  rows,
});
