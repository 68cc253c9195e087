// HTTP/1.1 over mutual TLS on both legs. wrk cannot show a certificate: a haproxy in TCP mode on the load CPU does it for it, one
// connection for one connection.

import { freePort } from '@lateen/base/testing';
import { createCertificates } from './support/certificates.ts';
import { haproxyTlsClient } from './support/haproxy.ts';
import { methodOf, rowPerCpuSecond, startUpstream, untilAccepts, withPeers } from './support/http-scenario.ts';
import { wrk } from './support/load.ts';
import { settingsFromArguments } from './support/measure.ts';
import type { RunningPeer } from './support/peers.ts';
import { accepts } from './support/ready.ts';
import { publish, type Row } from './support/report.ts';
import { FOUR_PREFIXES, REQUEST_PATH, type Setup } from './support/setup.ts';
import { LOAD_CPU, onStage } from './support/stage.ts';

const ROWS = [
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
    const tls = createCertificates(stage);
    const upstreamPort = await startUpstream(stage, { bodyBytes, tls });
    const setup: Setup = { downstream: 'http1', upstream: 'http1', tls, upstreamPort, prefixes: FOUR_PREFIXES };
    await withPeers(stage, { setup, settings, isReady: accepts }, async (peers) => {
      const fronts = new Map<RunningPeer, number>();
      for (const peer of peers) {
        if (!('port' in peer)) continue;
        const port = await freePort();
        stage.start(LOAD_CPU, haproxyTlsClient(stage, { port, target: peer.port, setup }));
        await untilAccepts(port);
        fronts.set(peer, port);
      }
      for (const { name, connections } of asked) {
        const load = async (peer: RunningPeer) =>
          (await wrk(`http://127.0.0.1:${fronts.get(peer)}${REQUEST_PATH}`, { connections, seconds: settings.seconds })).requests;
        rows.push(await rowPerCpuSecond(name, { peers, settings, load }));
      }
    });
  });
}
publish({
  scenario: 'mtls',
  method: methodOf(settings, 'wrk through a haproxy that has the client certificate, TLS 1.3, P-256'),
  settings,
  rows,
});
