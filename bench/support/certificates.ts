// A CA and one P-256 certificate that is both server (bench.test, 127.0.0.1) and client, made with openssl.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TlsFiles } from './setup.ts';
import type { Stage } from './stage.ts';

export function createCertificates(stage: Stage): TlsFiles {
  const at = (name: string) => join(stage.folder, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', at('ca.key'), '-out', at('ca.pem'), '-days', '2', '-subj', '/CN=bench CA');
  openssl('req', ...key, '-keyout', at('leaf.key'), '-out', at('leaf.csr'), '-subj', '/CN=bench.test');
  const extensions = stage.write(
    'leaf.ext',
    'subjectAltName=DNS:bench.test,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\nkeyUsage=digitalSignature\n',
  );
  const signing = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-set_serial', '7', '-days', '2', '-extfile', extensions];
  openssl('x509', '-req', '-in', at('leaf.csr'), ...signing, '-out', at('leaf.pem'));
  const both = stage.write('both.pem', readFileSync(at('leaf.pem'), 'utf8') + readFileSync(at('leaf.key'), 'utf8'));
  return { ca: at('ca.pem'), certificate: at('leaf.pem'), key: at('leaf.key'), both };
}
