// The keys of one embedded cluster. The authority and the service-account key stay for the cluster's life, so that a kubeconfig
// and tokens outlive a restart; the certificates are made anew at each start.

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, systemClock } from '@lateen/base';
import {
  type CertificateAuthority,
  createCertificateAuthority,
  generateKeyPair,
  type IssuedCertificate,
  loadCertificateAuthority,
} from '@lateen/pki';

export type ClusterKeys = {
  authority: CertificateAuthority;
  /** For the API server's listeners. */
  serving: IssuedCertificate;
  /** Client certificate of the kubeconfig: kubernetes-admin in system:masters. */
  admin: IssuedCertificate;
  /** Signs service-account tokens; PEM, PKCS #8. */
  serviceAccountKeyPem: string;
};

const YEAR_MS = 365 * 24 * 3_600_000;
const SERVER_NAMES = [
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
  'localhost',
  '127.0.0.1',
  '10.96.0.1',
];

/** Reads the keys kept in `folder`, or makes them (mode 0600). */
export function loadClusterKeys(folder: string, clock: Clock = systemClock): ClusterKeys {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const authority = loadAuthority(folder, clock);
  return {
    authority,
    serving: authority.issueServer(SERVER_NAMES, { ttlMs: YEAR_MS }),
    admin: authority.issueClient('kubernetes-admin', ['system:masters'], { ttlMs: YEAR_MS }),
    serviceAccountKeyPem: keep(join(folder, 'service-account.key'), () =>
      generateKeyPair().privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    ),
  };
}

function loadAuthority(folder: string, clock: Clock): CertificateAuthority {
  const file = join(folder, 'ca.pem');
  // Key and certificate in one file: a crash between two files would leave a pair that does not fit.
  const text = keep(file, () => {
    const made = createCertificateAuthority({ subject: { commonName: 'lateen-kubernetes-ca' }, clock });
    return `${made.certPem}${made.keyPem}`;
  });
  const split = text.indexOf('-----BEGIN', text.indexOf('-----END CERTIFICATE'));
  return loadCertificateAuthority({ certPem: text.slice(0, split), keyPem: text.slice(split) }, { clock });
}

function keep(file: string, make: () => string): string {
  if (!existsSync(file)) {
    writeFileSync(`${file}.new`, make(), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }
  return readFileSync(file, 'utf8');
}
