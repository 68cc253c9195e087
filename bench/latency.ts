// Latency at a fixed rate, beside the same load without a proxy.

import { startUpstream, withPeers } from './support/http-scenario.ts';
import { pacedLatencies } from './support/load.ts';
import { interleave, percentile, settingsFromArguments } from './support/measure.ts';
import type { PeerName } from './support/peers.ts';
import { answersHttp1 } from './support/ready.ts';
import { publish, type Row } from './support/report.ts';
import { FOUR_PREFIXES, REQUEST_PATH, type Setup } from './support/setup.ts';
import { onStage } from './support/stage.ts';

const PER_SECOND = 2000;
const CONNECTIONS = 16;
const PERCENTILES = [50, 90, 99];

const settings = settingsFromArguments();
const rows: Row[] = [];
await onStage(async (stage) => {
  const upstreamPort = await startUpstream(stage, { bodyBytes: 100 });
  const setup: Setup = { downstream: 'http1', upstream: 'http1', upstreamPort, prefixes: FOUR_PREFIXES };
  const paced = (port: number) =>
    pacedLatencies(stage, `http://127.0.0.1:${port}${REQUEST_PATH}`, {
      perSecond: PER_SECOND,
      connections: CONNECTIONS,
      seconds: settings.seconds,
      protocol: 'http1',
    });
  await withPeers(stage, { setup, settings, isReady: answersHttp1 }, async (peers) => {
    const direct: number[][] = [];
    const { results, failures } = await interleave(peers, settings, async ({ port }) => {
      if (direct.length < settings.runs) direct.push(await paced(upstreamPort));
      return paced(port);
    });
    for (const percent of PERCENTILES) {
      const of = (runs: readonly number[][]) => runs.map((times) => percentile(times, percent));
      const values: Partial<Record<PeerName | 'direct', number[]>> = { direct: of(direct) };
      for (const [name, runs] of results) values[name] = of(runs);
      rows.push({
        name: `p${percent} at ${PER_SECOND} requests/s`,
        unit: 'µs',
        better: 'less',
        values,
        missing: Object.fromEntries(failures),
      });
    }
  });
});
publish({
  scenario: 'latency',
  method: `h2load --h1 --rps over ${CONNECTIONS} connections, ${settings.runs} runs of ${settings.seconds} s in turn after a warm-up; medians of each run's percentile; "direct" is without a proxy`,
  settings,
  rows,
});
