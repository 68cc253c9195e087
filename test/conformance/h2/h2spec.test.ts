// h2spec itself, where it is installed: GOBIN="$PWD/.venv/bin" go install github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createCertificateAuthority } from '@lateen/pki';
import { checkout } from '../../support/mesh.ts';
import { startRecorder } from '../h1/recorder.ts';
import { clusterOf, downstreamTls, listenerOf } from '../support/configuration.ts';
import { startTarget } from '../support/target.ts';

const program = join(checkout, '.venv/bin/h2spec');
const skip = existsSync(program) ? false : 'h2spec is not installed: see the head of this file';

for (const tls of [false, true]) {
  test(`h2spec passes, ${tls ? 'TLS' : 'plaintext'}`, { skip }, async (t: TestContext) => {
    const recorder = await startRecorder();
    t.after(() => recorder.close());
    const { chainPem, keyPem } = createCertificateAuthority().issueServer(['a.test']);
    const transportSocket = tls ? { transportSocket: downstreamTls({ cert: chainPem, key: keyPem }) } : {};
    const target = await startTarget(
      [listenerOf({ name: 'in', port: 0, profile: 'gateway', hcm: { codec_type: tls ? 'AUTO' : 'HTTP2' }, ...transportSocket })],
      [clusterOf('up', recorder.port)],
    );
    t.after(() => target.close());
    const output = await h2spec([
      '-h',
      '127.0.0.1',
      '-p',
      String(target.portOf('in')),
      '--strict',
      '-o',
      '2',
      ...(tls ? ['-t', '-k'] : []),
    ]);
    const [, total, passed, skipped, failed] = /(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed/.exec(output) ?? [];
    assert.equal(Number(failed), 0, output.slice(output.indexOf('Failures:')));
    assert.equal(Number(passed) + Number(skipped), Number(total));
    assert.ok(Number(passed) >= 144, output);
  });
}

function h2spec(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk;
      });
    }
    child.on('error', reject);
    child.on('close', () => resolve(output));
  });
}
