// HTTP/2 with prior knowledge on both legs, GET of 100 bytes.

import { methodOf, rowPerCpuSecond, startUpstream, withPeers } from './support/http-scenario.ts';
import { h2load } from './support/load.ts';
import { settingsFromArguments } from './support/measure.ts';
import { answersHttp2 } from './support/ready.ts';
import { publish, type Row } from './support/report.ts';
import { FOUR_PREFIXES, REQUEST_PATH, type Setup } from './support/setup.ts';
import { onStage } from './support/stage.ts';

const ROWS = [
  { name: '4 connections, 1 stream each', connections: 4, streams: 1 },
  { name: '4 connections, 16 streams each', connections: 4, streams: 16 },
];

const BODY_BYTES = 100;

const settings = settingsFromArguments();
const rows: Row[] = [];
await onStage(async (stage) => {
  const upstreamPort = await startUpstream(stage, { bodyBytes: BODY_BYTES, http2: true });
  const setup: Setup = { downstream: 'http2', upstream: 'http2', upstreamPort, prefixes: FOUR_PREFIXES };
  await withPeers(stage, { setup, settings, isReady: answersHttp2() }, async (peers) => {
    for (const { name, connections, streams } of ROWS.filter((row) => row.name.includes(settings.only ?? ''))) {
      const load = async (peer: { port: number }) =>
        (
          await h2load(`http://127.0.0.1:${peer.port}${REQUEST_PATH}`, {
            connections,
            streams,
            seconds: settings.seconds,
            bodyBytes: BODY_BYTES,
          })
        ).requests;
      rows.push(await rowPerCpuSecond(name, { peers, settings, load }));
    }
  });
});
publish({ scenario: 'h2', method: methodOf(settings, 'h2load, cleartext HTTP/2 on both legs (nginx: grpc_pass)'), settings, rows });
