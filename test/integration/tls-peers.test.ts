// Which peers a TLS context lets in: the same table through Lateen's proxy and, where it is installed, through real Envoy.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { silentLogger } from '@lateen/base';
import { createVirtualClock, eventually, freePort } from '@lateen/base/testing';
import { createCertificateAuthority, type LeafOptions, loadCertificateAuthority } from '@lateen/pki';
import { runProxy } from '@lateen/proxy';
import { parseBootstrap } from '@lateen/proxy/bootstrap';
import { noEnvoy, startEnvoy } from '../support/envoy.ts';

const DAY_MS = 86_400_000;
const dir = mkdtempSync(join(tmpdir(), 'lateen-peers-'));
const ca = createCertificateAuthority();
const otherCa = createCertificateAuthority();
const ID = 'spiffe://td/ns/a/sa/b';

type Peer = { chainPem: string; keyPem: string } | undefined;

const issuedAt = (offsetMs: number) =>
  loadCertificateAuthority({ certPem: ca.certPem, keyPem: ca.keyPem }, { clock: createVirtualClock(Date.now() + offsetMs) });
const workload = (options: LeafOptions = {}) => ca.issue({ subjectAltNames: { uris: [ID] }, ...options });

/** A certificate that only OpenSSL's command line makes; `extensions` as in its configuration files. */
function byOpenssl(
  name: string,
  options: { issuer: { certPem: string; keyPem: string }; extensions: string; key?: string[]; digest?: string },
): { certPem: string; keyPem: string } {
  const path = (suffix: string) => join(dir, `${name}.${suffix}`);
  const run = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
  const key = options.key ?? ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  run('req', '-new', ...key, '-nodes', '-keyout', path('key'), '-subj', `/O=${name}`, '-out', path('csr'));
  writeFileSync(path('issuer'), options.issuer.certPem);
  writeFileSync(path('issuer.key'), options.issuer.keyPem);
  writeFileSync(path('ext'), options.extensions);
  run(
    'x509',
    '-req',
    '-in',
    path('csr'),
    '-CA',
    path('issuer'),
    '-CAkey',
    path('issuer.key'),
    '-CAcreateserial',
    '-days',
    '1',
    '-extfile',
    path('ext'),
    '-out',
    path('crt'),
    `-${options.digest ?? 'sha256'}`,
  );
  return { certPem: readFileSync(path('crt'), 'utf8'), keyPem: readFileSync(path('key'), 'utf8') };
}

const LEAF = `subjectAltName=URI:${ID}\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n`;
const AUTHORITY = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n';

const intermediate = byOpenssl('intermediate', { issuer: ca, extensions: AUTHORITY });
const shortIntermediate = byOpenssl('short', { issuer: ca, extensions: AUTHORITY.replace('CA:TRUE', 'CA:TRUE,pathlen:0') });
const belowShort = byOpenssl('below', { issuer: shortIntermediate, extensions: AUTHORITY });
const chained = byOpenssl('chained', { issuer: intermediate, extensions: LEAF });
const tooDeep = byOpenssl('deep', { issuer: belowShort, extensions: LEAF });
const revoked = byOpenssl('revoked', { issuer: ca, extensions: LEAF });
const single = (certificate: { certPem: string; keyPem: string }): Peer => ({ chainPem: certificate.certPem, keyPem: certificate.keyPem });
const good = workload();

const PEERS = {
  good,
  none: undefined,
  expired: issuedAt(-3 * DAY_MS).issue({ subjectAltNames: { uris: [ID] } }),
  future: issuedAt(3 * DAY_MS).issue({ subjectAltNames: { uris: [ID] } }),
  'other authority': otherCa.issue({ subjectAltNames: { uris: [ID] } }),
  'other trust domain': workload({ subjectAltNames: { uris: ['spiffe://other/ns/a/sa/b'] } }),
  'upper case': workload({ subjectAltNames: { uris: ['spiffe://TD/ns/a/sa/b'] } }),
  'two URIs': workload({ subjectAltNames: { uris: ['spiffe://other/x', ID] } }),
  'no URI': workload({ subjectAltNames: { dnsNames: ['a.test'] } }),
  'no names': workload({ subjectAltNames: {}, subject: { commonName: ID } }),
  'NUL in URI': workload({ subjectAltNames: { uris: [`${ID}\0.evil`] } }),
  'NUL in DNS': workload({ subjectAltNames: { dnsNames: ['a.test\0.evil.test'] } }),
  'DNS wildcard': workload({ subjectAltNames: { dnsNames: ['*.test'] } }),
  'DNS upper case': workload({ subjectAltNames: { dnsNames: ['A.TEST'] } }),
  'DNS other': workload({ subjectAltNames: { dnsNames: ['b.test'] } }),
  IP: workload({ subjectAltNames: { ipAddresses: ['10.0.0.1'] } }),
  IPv6: workload({ subjectAltNames: { ipAddresses: ['2001:db8::1'] } }),
  'URI as DNS': workload({ subjectAltNames: { uris: ['a.test'] } }),
  'server usage only': workload({ usages: ['server'] }),
  'client usage only': workload({ usages: ['client'] }),
  'CA as leaf': single(byOpenssl('caleaf', { issuer: ca, extensions: `${AUTHORITY}subjectAltName=URI:${ID}\n` })),
  'with intermediate': { chainPem: chained.certPem + intermediate.certPem, keyPem: chained.keyPem },
  'missing intermediate': single(chained),
  'path too long': { chainPem: tooDeep.certPem + belowShort.certPem + shortIntermediate.certPem, keyPem: tooDeep.keyPem },
  revoked: single(revoked),
  'P-384': single(byOpenssl('p384', { issuer: ca, extensions: LEAF, key: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384'] })),
  'RSA 2048': workload({ algorithm: 'rsa-2048' }),
  'RSA 1024': single(byOpenssl('rsa1024', { issuer: ca, extensions: LEAF, key: ['-newkey', 'rsa:1024'] })),
  'SHA-1': single(byOpenssl('sha1', { issuer: ca, extensions: LEAF, digest: 'sha1' })),
} satisfies Record<string, Peer>;

/** A list with the serial number of `revoked`. */
function crl(): string {
  const path = (name: string) => join(dir, name);
  const serial = new X509Certificate(revoked.certPem).serialNumber;
  writeFileSync(path('index.txt'), `R\t350101000000Z\t200101000000Z\t${serial}\tunknown\t/O=revoked\n`);
  writeFileSync(path('ca.pem'), ca.certPem);
  writeFileSync(path('ca.key'), ca.keyPem);
  writeFileSync(path('ca.cnf'), `[ca]\ndefault_ca=x\n[x]\ndatabase=${path('index.txt')}\ndefault_md=sha256\ndefault_crl_days=1\n`);
  execFileSync(
    'openssl',
    ['ca', '-gencrl', '-config', path('ca.cnf'), '-keyfile', path('ca.key'), '-cert', path('ca.pem'), '-out', path('crl.pem')],
    { stdio: 'pipe' },
  );
  return readFileSync(path('crl.pem'), 'utf8');
}

const trusted = { trusted_ca: { inline_string: ca.rootPem } };
const named = (san_type: string, matcher: object) => ({ ...trusted, match_typed_subject_alt_names: [{ san_type, matcher }] });
const spiffe = {
  custom_validator_config: {
    name: 'envoy.tls.cert_validator.spiffe',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
      trust_domains: [
        { name: 'td', trust_bundle: { inline_string: ca.rootPem } },
        { name: 'elsewhere', trust_bundle: { inline_string: otherCa.rootPem } },
      ],
    },
  },
};
const CONTEXTS = {
  trust: { require: true, validation: trusted },
  optional: { require: false, validation: trusted },
  'no trust': { require: true, validation: undefined },
  'URI exact': { require: true, validation: named('URI', { exact: ID }) },
  'URI prefix': { require: true, validation: named('URI', { prefix: 'spiffe://td/' }) },
  'DNS exact': { require: true, validation: named('DNS', { exact: 'a.test' }) },
  'DNS suffix': { require: true, validation: named('DNS', { suffix: '.test' }) },
  'DNS regex': { require: true, validation: named('DNS', { safe_regex: { regex: 'a\\.te.t' } }) },
  'IP exact': { require: true, validation: named('IP_ADDRESS', { exact: '10.0.0.1' }) },
  'IPv6 exact': { require: true, validation: named('IP_ADDRESS', { exact: '2001:db8::1' }) },
  untrusted: { require: true, validation: { ...named('URI', { exact: ID }), trust_chain_verification: 'ACCEPT_UNTRUSTED' } },
  'allow expired': { require: true, validation: { ...trusted, allow_expired_certificate: true } },
  crl: { require: true, validation: { ...trusted, crl: { inline_string: crl() } } },
  pin: { require: true, validation: { verify_certificate_hash: [new X509Certificate(good.certPem).fingerprint256] } },
  'wrong pin': { require: true, validation: { ...trusted, verify_certificate_hash: ['00'.repeat(32)] } },
  'intermediate as root': { require: true, validation: { trusted_ca: { inline_string: intermediate.certPem } } },
  'depth 1': { require: true, validation: { ...trusted, max_verify_depth: 1 } },
  'depth 2': { require: true, validation: { ...trusted, max_verify_depth: 2 } },
  spiffe: { require: true, validation: spiffe },
} as const;

type ContextName = keyof typeof CONTEXTS;
type PeerName = keyof typeof PEERS;

const server = ca.issueServer(['proxy.test']);

function bootstrapOf(ports: readonly number[]): string {
  const listeners = Object.values(CONTEXTS).map(({ require, validation }, i) => ({
    name: `l${i}`,
    address: { socket_address: { address: '127.0.0.1', port_value: ports[i] } },
    filter_chains: [
      {
        transport_socket: {
          name: 'tls',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
            require_client_certificate: require,
            common_tls_context: {
              tls_certificates: [{ certificate_chain: { inline_string: server.chainPem }, private_key: { inline_string: server.keyPem } }],
              ...(validation && { validation_context: validation }),
            },
          },
        },
        filters: [HCM],
      },
    ],
  }));
  return JSON.stringify({ node: { id: 'x', cluster: 'x' }, static_resources: { listeners } });
}

const HCM = {
  name: 'hcm',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'a',
    route_config: {
      virtual_hosts: [{ name: 'a', domains: ['*'], routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }] }],
    },
    http_filters: [{ name: 'router', typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' } }],
  },
};

/** Whether a request of this peer is answered. */
async function isLetIn(port: number, peer: Peer): Promise<boolean> {
  const own = peer ? { cert: peer.chainPem, key: peer.keyPem, ciphers: 'DEFAULT@SECLEVEL=0' } : {};
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...own });
  let answer = '';
  socket.on('error', () => {});
  socket.on('data', (bytes: Buffer) => {
    answer += bytes.toString('latin1');
  });
  socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
  await Promise.race([once(socket, 'close').catch(() => {}), new Promise((resolve) => setTimeout(resolve, 20_000).unref())]);
  socket.destroy();
  return answer.startsWith('HTTP/1.1 200');
}

async function acceptedBy(ports: readonly number[]): Promise<Record<string, string[]>> {
  const letIn = async (port: number): Promise<string[]> => {
    const verdicts = Object.entries(PEERS).map(async ([name, peer]) => ((await isLetIn(port, peer)) ? [name] : []));
    return (await Promise.all(verdicts)).flat();
  };
  return Object.fromEntries(await Promise.all(Object.keys(CONTEXTS).map(async (context, i) => [context, await letIn(ports[i] as number)])));
}

const byName = (names: string): string[] => names.split(', ').filter((name) => name !== '');
// As everybody but these sees it: no valid chain, or a name that only deceives.
const TRUSTED = byName(
  'good, other trust domain, upper case, two URIs, no URI, no names, DNS wildcard, DNS upper case, DNS other, IP, IPv6, URI as DNS, ' +
    'client usage only, with intermediate, revoked, P-384, RSA 2048',
);
const everyone = (except: string): string[] => Object.keys(PEERS).filter((name) => !byName(except).includes(name));
const WITH_ID = byName('good, two URIs, client usage only, with intermediate, revoked, P-384, RSA 2048');

const ACCEPTED: Record<ContextName, readonly string[]> = {
  trust: TRUSTED,
  optional: [...TRUSTED, 'none'],
  'no trust': everyone('none'),
  'URI exact': WITH_ID,
  'URI prefix': WITH_ID,
  'DNS exact': byName('no URI, DNS wildcard, DNS upper case'),
  'DNS suffix': byName('no URI, DNS wildcard, DNS other'),
  'DNS regex': byName('no URI'),
  'IP exact': byName('IP'),
  'IPv6 exact': byName('IPv6'),
  untrusted: everyone('none, CA as leaf'),
  'allow expired': [...TRUSTED, 'expired', 'future'],
  crl: TRUSTED.filter((name) => name !== 'revoked' && name !== 'with intermediate'),
  pin: byName('good'),
  'wrong pin': [],
  'intermediate as root': byName('with intermediate, missing intermediate'),
  'depth 1': TRUSTED.filter((name) => name !== 'with intermediate'),
  'depth 2': TRUSTED,
  spiffe: byName('good, client usage only, with intermediate, revoked, P-384, RSA 2048'),
};

// Where Lateen is stricter on purpose: names with control characters, weak keys and digests (OpenSSL's level), a required
// certificate where nothing is checked, and the usage of X.509-SVIDs.
const STRICTER = byName('NUL in URI, NUL in DNS, RSA 1024, SHA-1');
const STRICTER_IN: Partial<Record<ContextName, readonly string[]>> = { 'no trust': ['none'], spiffe: ['server usage only'] };

const sorted = (names: readonly string[]): string[] => Object.keys(PEERS).filter((name) => names.includes(name));

describe('peers of TLS contexts', () => {
  let ports: number[] = [];
  before(async () => {
    ports = await Promise.all(Object.keys(CONTEXTS).map(freePort));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  test('each of 29 peers is let in by the contexts that want it, and by no other', async () => {
    const running = await runProxy({ bootstrap: parseBootstrap(bootstrapOf(ports), 'x'), logger: silentLogger, appendLog: () => {} });
    try {
      const accepted = await acceptedBy(ports);
      for (const context of Object.keys(CONTEXTS) as ContextName[]) {
        assert.deepEqual(accepted[context], sorted(byContext(context)), context);
      }
    } finally {
      await running.close();
    }
  });

  test('Envoy lets in the same, but for what Lateen refuses on purpose', { skip: noEnvoy }, async () => {
    const path = join(dir, 'envoy.json');
    writeFileSync(path, bootstrapOf(ports));
    const envoy = startEnvoy(path);
    try {
      await eventually(async () => assert.ok(await isLetIn(ports[0]!, PEERS.good)), { timeoutMs: 20_000 });
      const accepted = await acceptedBy(ports);
      for (const context of Object.keys(CONTEXTS) as ContextName[]) {
        const isStricter = (name: string) => STRICTER.includes(name) || (STRICTER_IN[context] ?? []).includes(name);
        assert.deepEqual(
          accepted[context]?.filter((name) => !isStricter(name)),
          sorted(byContext(context)).filter((name) => !isStricter(name)),
          context,
        );
      }
    } finally {
      envoy.kill();
      await once(envoy, 'exit');
    }
  });
});

const byContext = (context: ContextName): readonly PeerName[] => ACCEPTED[context] as readonly PeerName[];
