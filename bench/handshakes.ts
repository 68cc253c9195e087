// Full TLS 1.3 handshakes per CPU-second, with and without a client certificate.

import { createCertificates } from './support/certificates.ts';
import { methodOf, rowPerCpuSecond, startUpstream, withPeers } from './support/http-scenario.ts';
import { pinned } from './support/load.ts';
import { settingsFromArguments } from './support/measure.ts';
import { accepts } from './support/ready.ts';
import { publish, type Row } from './support/report.ts';
import { FOUR_PREFIXES, type Setup } from './support/setup.ts';
import { onStage } from './support/stage.ts';

const settings = settingsFromArguments();
const rows: Row[] = [];
for (const name of ['server certificate', 'both certificates']) {
  await onStage(async (stage) => {
    const files = createCertificates(stage);
    const tls = name === 'both certificates' ? { tls: files } : { serverTls: files };
    const upstreamPort = await startUpstream(stage, { bodyBytes: 100 });
    const setup: Setup = { downstream: 'http1', upstream: 'http1', upstreamPort, prefixes: FOUR_PREFIXES, ...tls };
    await withPeers(stage, { setup, settings, isReady: accepts }, async (peers) => {
      const own = name === 'both certificates' ? ['-cert', files.certificate, '-key', files.key] : [];
      const load = async (peer: { port: number }) => {
        const args = [
          's_time',
          '-connect',
          `127.0.0.1:${peer.port}`,
          '-new',
          '-time',
          String(settings.seconds),
          '-CAfile',
          files.ca,
          ...own,
        ];
        const output = await pinned('openssl', args);
        const count = Number(/(\d+) connections in \d+ real seconds/.exec(output)?.[1] ?? 0);
        if (count === 0) throw new Error(`openssl s_time: ${output.slice(-200)}`);
        return count;
      };
      rows.push(await rowPerCpuSecond(name, { peers, settings, load, unit: 'handshakes' }));
    });
  });
}
publish({ scenario: 'handshakes', method: methodOf(settings, 'openssl s_time -new, one after the other, P-256'), settings, rows });
