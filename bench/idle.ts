// What an idle connection weighs: resident memory before and after clients have made one request each and stay.

import { connect, type Socket } from 'node:net';
import { residentKib } from './support/cpu.ts';
import { startUpstream, withPeers } from './support/http-scenario.ts';
import { interleave, settingsFromArguments } from './support/measure.ts';
import type { PeerName, RunningPeer } from './support/peers.ts';
import { answersHttp1 } from './support/ready.ts';
import { publish, type Row, rowOf } from './support/report.ts';
import { settle } from './support/settle.ts';
import { FOUR_PREFIXES, REQUEST_PATH, type Setup } from './support/setup.ts';
import { onStage } from './support/stage.ts';

const settings = settingsFromArguments();
const CONNECTIONS = settings.quick ? 500 : 2000;
const rows: Row[] = [];
const sockets: Socket[] = [];
await onStage(async (stage) => {
  const upstreamPort = await startUpstream(stage, { bodyBytes: 100 });
  const setup: Setup = { downstream: 'http1', upstream: 'http1', upstreamPort, prefixes: FOUR_PREFIXES };
  await withPeers(stage, { setup, settings, isReady: answersHttp1 }, async (peers) => {
    const once = <T>(measure: (peer: RunningPeer) => Promise<T>) => interleave(peers, { warmUps: 0, runs: 1 }, measure);
    const open = (count: number) =>
      once(async ({ port }) => {
        for (let i = 0; i < count; i++) sockets.push(await askOnce(port));
      });
    const resident = () => once(async ({ pid }) => residentKib(pid));
    // What serving itself needs comes with the first of them.
    await open(CONNECTIONS / 4);
    await settle();
    const before = await resident();
    // Not settled again: what the collection then takes is not theirs alone.
    await open(CONNECTIONS);
    const after = await resident();
    const perConnection = (peer: PeerName, [kib = Number.NaN]: readonly number[]) =>
      (kib - (before.results.get(peer)?.[0] ?? Number.NaN)) / CONNECTIONS;
    const results = new Map([...after.results].map(([peer, values]) => [peer, [perConnection(peer, values)]] as const));
    rows.push(rowOf({ name: `${CONNECTIONS} idle connections`, unit: 'KiB each', better: 'less' }, { ...after, results }));
    for (const socket of sockets) socket.destroy();
  });
});
publish({
  scenario: 'idle',
  method: `VmRSS of the proxy with ${CONNECTIONS / 4} connections, idle for 46 s, and with ${CONNECTIONS} more; one request on each; one run on a fresh process`,
  settings,
  rows,
});

/** A connection that has had one answer. */
function askOnce(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(`GET ${REQUEST_PATH} HTTP/1.1\r\nHost: bench.test\r\n\r\n`));
    socket.once('data', () => resolve(socket));
    socket.once('error', reject);
  });
}
