// Cold start: from spawn to the first right answer.

import { startUpstream } from './support/http-scenario.ts';
import { interleave, settingsFromArguments } from './support/measure.ts';
import { notInstalled, type Peer, startPeer } from './support/peers.ts';
import { answersHttp1 } from './support/ready.ts';
import { publish, type Row, rowOf } from './support/report.ts';
import { FOUR_PREFIXES, type Setup } from './support/setup.ts';
import { onStage } from './support/stage.ts';

const settings = settingsFromArguments();
const rows: Row[] = [];
await onStage(async (stage) => {
  const upstreamPort = await startUpstream(stage, { bodyBytes: 100 });
  for (const idleClusters of [0, 1000]) {
    const setup: Setup = { downstream: 'http1', upstream: 'http1', upstreamPort, prefixes: FOUR_PREFIXES, idleClusters };
    // Started in each run anew; until then a peer is only a name.
    const names: Peer[] = settings.peers.map((name) => {
      const missing = notInstalled(name);
      return missing ? { name, missing } : { name, port: 0, pid: 0, stop: async () => {} };
    });
    const measured = await interleave(names, settings, async ({ name }) => {
      const startedMs = performance.now();
      const peer = await startPeer(name, stage, { setup, isReady: answersHttp1 });
      if (!('port' in peer)) throw new Error(peer.missing);
      const tookMs = performance.now() - startedMs;
      await peer.stop();
      return tookMs;
    });
    rows.push(rowOf({ name: `${idleClusters} services beside`, unit: 'ms', better: 'less' }, measured));
  }
});
publish({
  scenario: 'start',
  method: `from spawn to the first right answer, asked every 25 ms; ${settings.runs} starts after one that warms the file cache, medians`,
  settings,
  rows,
});
