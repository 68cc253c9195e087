// A table of 1,000 prefix routes of which the last one matches, beside the four of the other scenarios.

import { methodOf, rowPerCpuSecond, startUpstream, withPeers } from './support/http-scenario.ts';
import { wrk } from './support/load.ts';
import { settingsFromArguments } from './support/measure.ts';
import { answersHttp1 } from './support/ready.ts';
import { publish, type Row } from './support/report.ts';
import { FOUR_PREFIXES, REQUEST_PATH, type Setup } from './support/setup.ts';
import { onStage } from './support/stage.ts';

const TABLES = [
  { name: '4 routes', prefixes: FOUR_PREFIXES },
  { name: '1,000 routes', prefixes: [...Array.from({ length: 998 }, (_, i) => `/service-${i}/`), '/api/', '/'] },
];

const settings = settingsFromArguments();
const rows: Row[] = [];
for (const { name, prefixes } of TABLES) {
  await onStage(async (stage) => {
    const upstreamPort = await startUpstream(stage, { bodyBytes: 100 });
    const setup: Setup = { downstream: 'http1', upstream: 'http1', upstreamPort, prefixes };
    await withPeers(stage, { setup, settings, isReady: answersHttp1 }, async (peers) => {
      const load = async (peer: { port: number }) =>
        (await wrk(`http://127.0.0.1:${peer.port}${REQUEST_PATH}`, { connections: 16, seconds: settings.seconds })).requests;
      rows.push(await rowPerCpuSecond(name, { peers, settings, load }));
    });
  });
}
publish({ scenario: 'routes', method: methodOf(settings, 'wrk, 16 connections; the route before the last one matches'), settings, rows });
