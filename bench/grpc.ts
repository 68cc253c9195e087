// gRPC: unary calls (h2load, nghttpd answering with trailers), and messages back and forth on open streams (a client and server of our own).

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '@lateen/base/testing';
import { methodOf, rowPerCpuSecond, untilAccepts, withPeers } from './support/http-scenario.ts';
import { h2load, pinned } from './support/load.ts';
import { settingsFromArguments } from './support/measure.ts';
import { answersHttp2 } from './support/ready.ts';
import { publish, type Row } from './support/report.ts';
import { FOUR_PREFIXES, type Setup } from './support/setup.ts';
import { LOAD_CPU, onStage } from './support/stage.ts';

const UNARY = '/api/bench.Orders/Get.grpc';
const STREAM = '/api/bench.Orders/Watch';
const HEADERS = ['content-type: application/grpc', 'te: trailers', 'user-agent: grpc-bench/1.0', 'grpc-timeout: 10S'];

const settings = settingsFromArguments();
const rows: Row[] = [];
const wants = (name: string) => name.includes(settings.only ?? '');

await onStage(async (stage) => {
  const upstreamPort = await freePort();
  mkdirSync(join(stage.folder, 'docs/api/bench.Orders'), { recursive: true });
  writeFileSync(join(stage.folder, 'docs', UNARY), Buffer.concat([Buffer.from([0, 0, 0, 0, 10]), Buffer.alloc(10, 'r')]));
  const mimeTypes = stage.write('mime.types', 'application/grpc grpc\n');
  const message = stage.write('message', Buffer.concat([Buffer.from([0, 0, 0, 0, 19]), Buffer.alloc(19, 'q')]));
  const args = [
    '--no-tls',
    '-a',
    '127.0.0.1',
    '-d',
    join(stage.folder, 'docs'),
    '--trailer',
    'grpc-status: 0',
    `--mime-types-file=${mimeTypes}`,
    String(upstreamPort),
  ];
  stage.start(LOAD_CPU, { command: 'nghttpd', args });
  await untilAccepts(upstreamPort);
  const setup: Setup = { downstream: 'http2', upstream: 'http2', upstreamPort, prefixes: FOUR_PREFIXES };
  await withPeers(stage, { setup, settings, isReady: answersHttp2(UNARY) }, async (peers) => {
    for (const streams of [1, 16]) {
      const name = `unary, 4 connections, ${streams} streams each`;
      if (!wants(name)) continue;
      const load = async (peer: { port: number }) =>
        (
          await h2load(`http://127.0.0.1:${peer.port}${UNARY}`, {
            connections: 4,
            streams,
            seconds: settings.seconds,
            headers: HEADERS,
            bodyFile: message,
            bodyBytes: 15,
          })
        ).requests;
      rows.push(await rowPerCpuSecond(name, { peers, settings, load }));
    }
  });
});

if (wants('stream')) {
  await onStage(async (stage) => {
    const upstreamPort = await freePort();
    stage.start(LOAD_CPU, {
      command: process.execPath,
      args: [join(import.meta.dirname, 'support/stream-peer.ts'), 'serve', String(upstreamPort)],
    });
    await untilAccepts(upstreamPort);
    const setup: Setup = { downstream: 'http2', upstream: 'http2', upstreamPort, prefixes: FOUR_PREFIXES };
    await withPeers(stage, { setup, settings, isReady: answersHttp2(STREAM) }, async (peers) => {
      const load = async (peer: { port: number }) =>
        Number(
          await pinned(process.execPath, [
            join(import.meta.dirname, 'support/stream-peer.ts'),
            'load',
            String(peer.port),
            STREAM,
            String(settings.seconds),
          ]),
        );
      rows.push(await rowPerCpuSecond('stream, 4 connections, 8 streams each', { peers, settings, load, unit: 'messages' }));
    });
  });
}
publish({
  scenario: 'grpc',
  method: methodOf(
    settings,
    'h2load with a 24 B request and a 15 B reply with trailers; streams: 100 B messages, one in flight on each stream',
  ),
  settings,
  rows,
});
