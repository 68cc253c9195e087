// Bytes through a TCP proxy.

import { join } from 'node:path';
import { freePort } from '@lateen/base/testing';
import { methodOf, rowPerCpuSecond, untilAccepts, withPeers } from './support/http-scenario.ts';
import { pinned } from './support/load.ts';
import { settingsFromArguments } from './support/measure.ts';
import { accepts } from './support/ready.ts';
import { publish, type Row } from './support/report.ts';
import type { Setup } from './support/setup.ts';
import { LOAD_CPU, onStage } from './support/stage.ts';

const settings = settingsFromArguments();
const rows: Row[] = [];
await onStage(async (stage) => {
  const upstreamPort = await freePort();
  const program = join(import.meta.dirname, 'support/tcp-peer.ts');
  stage.start(LOAD_CPU, { command: process.execPath, args: [program, 'sink', String(upstreamPort)] });
  await untilAccepts(upstreamPort);
  const setup: Setup = { downstream: 'tcp', upstream: 'tcp', upstreamPort, prefixes: [] };
  await withPeers(stage, { setup, settings, isReady: accepts }, async (peers) => {
    for (const connections of [1, 16]) {
      const load = async (peer: { port: number }) =>
        Number(await pinned(process.execPath, [program, 'load', String(peer.port), String(connections), String(settings.seconds)])) /
        2 ** 20;
      rows.push(await rowPerCpuSecond(`upload, ${connections} connections`, { peers, settings, load, unit: 'MiB' }));
    }
  });
});
publish({ scenario: 'tcp', method: methodOf(settings, 'a sender of our own writing 64 KiB at a time'), settings, rows });
