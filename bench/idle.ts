// What an idle connection weighs: resident memory before and after clients have made one request each and stay.

import { connect, type Socket } from 'node:net';
import { residentKib } from './support/cpu.ts';
import { startUpstream, withPeers } from './support/http-scenario.ts';
import { interleave, settingsFromArguments } from './support/measure.ts';
import { answersHttp1 } from './support/ready.ts';
import { publish, type Row, rowOf } from './support/report.ts';
import { FOUR_PREFIXES, REQUEST_PATH, type Setup } from './support/setup.ts';
import { onStage } from './support/stage.ts';

const settings = settingsFromArguments();
const CONNECTIONS = settings.quick ? 500 : 2000;
const rows: Row[] = [];
await onStage(async (stage) => {
  const upstreamPort = await startUpstream(stage, { bodyBytes: 100 });
  const setup: Setup = { downstream: 'http1', upstream: 'http1', upstreamPort, prefixes: FOUR_PREFIXES };
  await withPeers(stage, { setup, settings, isReady: answersHttp1 }, async (peers) => {
    // What starting left behind may be collected: it must not go while connections come.
    await new Promise((next) => setTimeout(next, 16_000));
    const connected = async (port: number, count: number): Promise<Socket[]> => {
      const sockets: Socket[] = [];
      for (let i = 0; i < count; i++) sockets.push(await askOnce(port));
      return sockets;
    };
    const perConnection = async ({ pid, port }: { pid: number; port: number }): Promise<number> => {
      // What serving itself needs comes with the first of them.
      const first = await connected(port, CONNECTIONS / 4);
      await new Promise((next) => setTimeout(next, 1000));
      const before = residentKib(pid);
      const sockets = await connected(port, CONNECTIONS);
      await new Promise((next) => setTimeout(next, 1000));
      const kib = (residentKib(pid) - before) / CONNECTIONS;
      for (const socket of [...first, ...sockets]) socket.destroy();
      await new Promise((next) => setTimeout(next, 500));
      return kib;
    };
    // Once, on a fresh process: freed memory seldom goes back, so a second run would say too little.
    const measured = await interleave(peers, { warmUps: 0, runs: 1 }, perConnection);
    rows.push(rowOf({ name: `${CONNECTIONS} idle connections`, unit: 'KiB each', better: 'less' }, measured));
  });
});
publish({
  scenario: 'idle',
  method: `VmRSS of the proxy with ${CONNECTIONS / 4} idle connections, and 1 s after ${CONNECTIONS} more; one request on each; one run on a fresh process`,
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
