import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { connect, createServer, type PeerCertificate } from 'node:tls';
import { createVirtualClock } from '@lateen/base/testing';
import { writeCertificate, writeName } from './certificate-writer.ts';
import {
  type CertificateAuthority,
  createCertificateAuthority,
  createCsr,
  formatPem,
  generateKeyPair,
  type IssuedCertificate,
  loadCertificateAuthority,
  parseCertificates,
  parseCsr,
  parsePem,
  parseSpiffeId,
  parseWorkloadIdentity,
  spiffeIdOf,
  verifyChain,
} from './index.ts';

const ID = 'spiffe://cluster.local/ns/default/sa/reviews';

/** A handshake over loopback; gives what each side saw of the other. */
function handshake(options: {
  server: IssuedCertificate;
  client?: IssuedCertificate;
  serverTrusts: string;
  clientTrusts: string;
  name?: string;
}) {
  return new Promise<{ peerOfServer: PeerCertificate; protocol: string | null }>((resolve, reject) => {
    const server = createServer(
      {
        cert: options.server.chainPem,
        key: options.server.keyPem,
        ca: options.serverTrusts,
        requestCert: options.client !== undefined,
        rejectUnauthorized: true,
        ALPNProtocols: ['istio'],
      },
      (socket) => {
        socket.on('error', () => {});
        const peerOfServer = socket.getPeerCertificate();
        const protocol = socket.getProtocol();
        server.close(() => resolve({ peerOfServer, protocol }));
        socket.end('x');
      },
    );
    server.on('tlsClientError', (error) => server.close(() => reject(error)));
    server.listen(0, '127.0.0.1', () => {
      const socket = connect({
        host: '127.0.0.1',
        port: (server.address() as AddressInfo).port,
        servername: options.name ?? '',
        ca: options.clientTrusts,
        ALPNProtocols: ['istio'],
        ...(options.client ? { cert: options.client.chainPem, key: options.client.keyPem } : {}),
        ...(options.name === undefined ? { checkServerIdentity: () => undefined } : {}),
      });
      socket.on('error', (error) => {
        reject(error);
        server.close();
      });
      socket.resume();
    });
  });
}

for (const algorithm of ['ecdsa-p256', 'rsa-2048'] as const) {
  describe(`an authority with ${algorithm}`, () => {
    const ca = createCertificateAuthority({ algorithm });

    test('server certificates pass a real handshake by DNS name and by address', async () => {
      const server = ca.issueServer(['istiod.istio-system.svc', '127.0.0.1', '::1'], { algorithm });
      const { protocol } = await handshake({ server, serverTrusts: ca.rootPem, clientTrusts: ca.rootPem, name: 'istiod.istio-system.svc' });
      assert.equal(protocol, 'TLSv1.3');
      const parsed = new X509Certificate(server.certPem);
      assert.equal(parsed.checkIP('127.0.0.1'), '127.0.0.1');
      assert.equal(parsed.checkIP('::1'), '::1');
      await assert.rejects(
        handshake({ server, serverTrusts: ca.rootPem, clientTrusts: ca.rootPem, name: 'elsewhere' }),
        /altnames|ALTNAME/i,
      );
    });

    test('workload certificates pass mutual TLS and carry their identity', async () => {
      const { peerOfServer } = await handshake({
        server: ca.issueWorkload(ID),
        client: ca.issueWorkload('spiffe://cluster.local/ns/default/sa/productpage', { algorithm }),
        serverTrusts: ca.rootPem,
        clientTrusts: ca.rootPem,
      });
      assert.equal(peerOfServer.subjectaltname, 'URI:spiffe://cluster.local/ns/default/sa/productpage');
    });

    test('a client from another authority is refused', async () => {
      const other = createCertificateAuthority();
      const attempt = handshake({
        server: ca.issueWorkload(ID),
        client: other.issueWorkload(ID),
        serverTrusts: ca.rootPem,
        clientTrusts: ca.rootPem,
      });
      await assert.rejects(attempt);
    });

    test('client certificates name user and groups as Kubernetes reads them', () => {
      const { certPem } = ca.issueClient('admin', ['system:masters']);
      assert.equal(new X509Certificate(certPem).subject, 'O=system:masters\nCN=admin');
    });
  });
}

describe('certificates', () => {
  const clock = createVirtualClock(Date.parse('2026-03-01T12:00:00Z'));
  const ca = createCertificateAuthority({ clock, ttlMs: 48 * 3_600_000 });

  test('start two minutes early, last 24 hours and never outlive their authority', () => {
    const leaf = new X509Certificate(ca.issueWorkload(ID).certPem);
    assert.equal(new Date(leaf.validFrom).toISOString(), '2026-03-01T11:58:00.000Z');
    assert.equal(new Date(leaf.validTo).toISOString(), '2026-03-02T12:00:00.000Z');
    assert.equal(ca.issueWorkload(ID, { ttlMs: 1e12 }).notAfterMs, ca.notAfterMs);
  });

  test('have positive random serials', () => {
    const serials = Array.from({ length: 50 }, () => new X509Certificate(ca.issueWorkload(ID).certPem).serialNumber);
    assert.equal(new Set(serials).size, 50);
    for (const serial of serials) assert.match(serial, /^[4-7][0-9A-F]{31}$/);
  });

  test('write dates from 2050 on as GeneralizedTime', () => {
    const old = createCertificateAuthority({ clock, ttlMs: 30 * 365 * 24 * 3_600_000 });
    assert.equal(new X509Certificate(old.certPem).validTo, 'Feb 22 12:00:00 2056 GMT');
  });
});

describe('requests', () => {
  const ca = createCertificateAuthority();

  test('a signed request keeps its key; the names come from the signer', async () => {
    const key = generateKeyPair();
    const csr = createCsr({ key, subjectAltNames: { uris: ['spiffe://evil/ns/x/sa/y'], dnsNames: ['a.b'] } });
    const parsed = await parseCsr(csr);
    assert.ok(parsed.ok);
    assert.deepEqual(parsed.value.subjectAltNames, { dnsNames: ['a.b'], ipAddresses: [], uris: ['spiffe://evil/ns/x/sa/y'] });
    const signed = await ca.signCsr(csr, { subjectAltNames: { uris: [ID] } });
    assert.ok(signed.ok);
    const certificate = new X509Certificate(signed.value.certPem);
    assert.ok(certificate.checkPrivateKey(key.privateKey));
    assert.deepEqual(spiffeIdOf(certificate), { ok: true, value: ID });
  });

  test('RSA requests are fine, weak ones are not', async () => {
    const rsa = await parseCsr(createCsr({ key: generateKeyPair('rsa-2048') }));
    assert.ok(rsa.ok);
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const refused = await parseCsr(createCsr({ key: { ...weak, keyPem: '' } }));
    assert.deepEqual(refused, { ok: false, error: 'an RSA key must have 2048 to 8192 bits, not 1024' });
  });

  test('a forged or broken request is refused, not thrown', async () => {
    const der = parsePem('CERTIFICATE REQUEST', createCsr({ key: generateKeyPair(), subject: { commonName: 'abc' } }));
    assert.ok(der.ok);
    const forged = Buffer.from(der.value[0]!);
    forged[forged.indexOf('abc')] = 0x62;
    assert.deepEqual(await parseCsr(forged), { ok: false, error: 'the signature of the certificate request is wrong' });
    for (const garbage of [
      '',
      'hello',
      formatPem('CERTIFICATE REQUEST', Buffer.from('nonsense')),
      new Uint8Array(100_000),
      new Uint8Array(10),
    ]) {
      assert.equal((await parseCsr(garbage)).ok, false);
    }
  });
});

describe('a loaded authority', () => {
  test('signs as before after its files were kept', () => {
    const ca = createCertificateAuthority();
    const again = loadCertificateAuthority({ certPem: ca.certPem, keyPem: ca.keyPem });
    const leaf = again.issueWorkload(ID);
    assert.deepEqual(verify(leaf, ca), { ok: true });
    assert.equal(leaf.chainPem, leaf.certPem, 'the root is not part of the chain');
  });

  test('an intermediate sends its chain and is verified to the root', async () => {
    const { intermediate, root } = intermediateAuthority(undefined);
    const leaf = intermediate.issueWorkload(ID);
    assert.equal(parsePem('CERTIFICATE', leaf.chainPem).ok && leaf.chainPem.match(/BEGIN/g)?.length, 2);
    assert.deepEqual(verify(leaf, root), { ok: true });
    await handshake({ server: leaf, client: intermediate.issueWorkload(ID), serverTrusts: root.rootPem, clientTrusts: root.rootPem });
  });

  test('parts that do not fit are refused', () => {
    const a = createCertificateAuthority();
    const b = createCertificateAuthority();
    const leaf = a.issueWorkload(ID);
    const cases: [Parameters<typeof loadCertificateAuthority>[0], RegExp][] = [
      [{ certPem: a.certPem, keyPem: b.keyPem }, /does not belong/],
      [{ certPem: leaf.certPem, keyPem: leaf.keyPem }, /not a CA certificate/],
      [{ certPem: 'x', keyPem: a.keyPem }, /the CA certificate is unusable/],
      [{ certPem: a.certPem, keyPem: 'x' }, /the CA key is unusable/],
    ];
    for (const [files, message] of cases) assert.throws(() => loadCertificateAuthority(files), { code: 'LAT2201', message });
  });
});

describe('verification', () => {
  const ca = createCertificateAuthority();
  const now = Date.now();

  test('says what is wrong', () => {
    const hour = 3_600_000;
    const other = createCertificateAuthority();
    const cases: [IssuedCertificate, Parameters<typeof verify>[2], RegExp][] = [
      [ca.issueWorkload(ID), { nowMs: now + 25 * hour }, /the leaf expired/],
      [ca.issueWorkload(ID), { nowMs: now - hour }, /the leaf is not valid before/],
      [other.issueWorkload(ID), {}, /no trusted root/],
      [ca.issueClient('x'), { usage: 'server' }, /may not be used as a server/],
      [{ ...ca.issueWorkload(ID), chainPem: ca.certPem }, {}, /the leaf is a CA/],
    ];
    for (const [certificate, options, error] of cases) {
      const result = verify(certificate, ca, options);
      assert.ok(!result.ok);
      assert.match(result.error, error);
    }
  });

  test('a path length is a limit', () => {
    const { intermediate, root } = intermediateAuthority(0);
    assert.deepEqual(verify(intermediate.issueWorkload(ID), root), { ok: true });
    const below = intermediateAuthority(undefined, intermediate);
    const result = verify(below.intermediate.issueWorkload(ID), root);
    assert.deepEqual(result, { ok: false, error: 'certificate 2 above the leaf allows at most 0 certificates below it' });
  });

  test('a workload certificate has exactly one URI', () => {
    const two = ca.issue({ subjectAltNames: { uris: [ID, `${ID}2`] } });
    const none = ca.issueServer(['a.b']);
    const foreign = ca.issue({ subjectAltNames: { uris: ['https://a.b/c'] } });
    for (const { certPem } of [two, none, foreign]) assert.equal(spiffeIdOf(new X509Certificate(certPem)).ok, false);
  });
});

describe('SPIFFE identities', () => {
  test('are parsed strictly', () => {
    assert.deepEqual(parseWorkloadIdentity(ID), {
      ok: true,
      value: { trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'reviews' },
    });
    assert.deepEqual(parseSpiffeId('spiffe://td'), { ok: true, value: { trustDomain: 'td', path: '' } });
    for (const wrong of [
      'http://td/x',
      'spiffe://TD/x',
      'spiffe://td:80/x',
      'spiffe://td/a//b',
      'spiffe://td/a/../b',
      'spiffe://td/a?b',
      'spiffe://td/',
      'spiffe:///x',
      `spiffe://td/${'a'.repeat(3000)}`,
      'spiffe://td/a\0b',
    ]) {
      assert.equal(parseSpiffeId(wrong).ok, false, wrong);
    }
    for (const wrong of ['spiffe://td/ns/a', 'spiffe://td/ns/a/sa/b/c', 'spiffe://td/sa/a/ns/b'])
      assert.equal(parseWorkloadIdentity(wrong).ok, false, wrong);
  });
});

function verify(certificate: IssuedCertificate, ca: CertificateAuthority, options: { nowMs?: number; usage?: 'server' | 'client' } = {}) {
  const chain = parseCertificates(certificate.chainPem);
  const roots = parseCertificates(ca.rootPem);
  assert.ok(chain.ok && roots.ok);
  const result = verifyChain({ chain: chain.value, roots: roots.value, nowMs: Date.now(), ...options });
  return result.ok ? ({ ok: true } as const) : result;
}

function intermediateAuthority(pathLength: number | undefined, parent?: CertificateAuthority) {
  const root = parent ?? createCertificateAuthority();
  const issuer = loadCertificateAuthority({ certPem: root.certPem, keyPem: root.keyPem, rootPem: root.rootPem });
  const key = generateKeyPair();
  const issuerCertificate = new X509Certificate(issuer.certPem);
  const der = writeCertificate(
    {
      serial: Buffer.from([1 + Math.floor(Math.random() * 100)]),
      issuer: writeName({ organizations: [issuerCertificate.subject.replace(/^O=/, '')] }),
      subject: writeName({ organizations: [parent ? 'second' : 'first'] }),
      notBeforeMs: Date.now() - 1000,
      notAfterMs: Date.now() + 3_600_000,
      publicKey: key.publicKey,
      subjectAltNames: {},
      authority: { keyId: undefined },
      usage: { kind: 'authority', pathLength },
    },
    createPrivateKey(issuer.keyPem),
  );
  const certPem = formatPem('CERTIFICATE', der);
  const intermediate = loadCertificateAuthority({
    certPem,
    keyPem: key.keyPem,
    chainPem: certPem + (parent ? issuer.certPem : ''),
    rootPem: root.rootPem,
  });
  return { intermediate, root };
}
