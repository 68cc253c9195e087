import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { JsonObject } from '@bufbuild/protobuf';
import { eventually } from '@lateen/base/testing';
import { createCertificateAuthority } from '@lateen/pki';
import { any, httpListener } from '../testing/runtime.ts';
import { onStage, type Stage } from '../testing/stage.ts';
import { askSecurely, inlineCertificate, isAnswered, withTls } from '../testing/tls.ts';
import { tlsStatsOf } from './tls-stats.ts';

const ca = createCertificateAuthority();
const OK = [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'hi' } } }];

/** A listener with this TLS context answers 200. */
const serving = (tls: JsonObject, run: (stage: Stage) => Promise<void>) =>
  onStage(async (stage) => {
    await stage.apply({ listeners: [withTls(httpListener('in', OK), tls)] });
    await run(stage);
  });
const certificates = (...names: string[]) => names.map((name) => inlineCertificate(ca.issueServer([name])));

describe('the certificate follows the server name', () => {
  const cases: readonly [servername: string | undefined, names: string][] = [
    ['a.test', 'DNS:a.test'],
    ['b.test', 'DNS:b.test'],
    ['B.TEST', 'DNS:b.test'],
    ['x.wild.test', 'DNS:*.wild.test'],
    ['x.y.wild.test', 'DNS:first.test'],
    ['wild.test', 'DNS:first.test'],
    ['unknown.test', 'DNS:first.test'],
    [undefined, 'DNS:first.test'],
  ];
  test('exact before wildcard, one label only, the first for all others', async () => {
    const tls_certificates = certificates('first.test', 'a.test', 'b.test', '*.wild.test');
    await serving({ common_tls_context: { tls_certificates } }, async ({ port }) => {
      for (const [servername, names] of cases) {
        const answer = await askSecurely(port(), servername === undefined ? {} : { servername });
        assert.equal(answer.names, names, String(servername));
        assert.ok(isAnswered(answer));
      }
    });
  });

  test('of two kinds of key for one name the client gets what it understands', async () => {
    const both = [ca.issueServer(['a.test']), ca.issueServer(['a.test'], { algorithm: 'rsa-2048' })].map(inlineCertificate);
    await serving({ common_tls_context: { tls_certificates: both } }, async ({ port }) => {
      const byRsa = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' } as const;
      assert.equal((await askSecurely(port(), { servername: 'a.test' })).keyType, 'ec');
      assert.equal((await askSecurely(port(), { servername: 'a.test', ...byRsa })).keyType, 'rsa');
    });
  });

  test('a client without a server name is refused where one is required', async () => {
    await serving({ require_sni: true, common_tls_context: { tls_certificates: certificates('a.test') } }, async ({ port }) => {
      assert.ok(isAnswered(await askSecurely(port(), { servername: 'a.test' })));
      assert.equal((await askSecurely(port())).text, '');
    });
  });
});

describe('versions, ciphers and protocols', () => {
  const context = (fields: JsonObject): JsonObject => ({ common_tls_context: { tls_certificates: certificates('a.test'), ...fields } });

  test('versions outside the range are refused', async () => {
    const cases: readonly [JsonObject, 'TLSv1.2' | 'TLSv1.3', boolean][] = [
      [{}, 'TLSv1.2', true],
      [{}, 'TLSv1.3', true],
      [{ tls_minimum_protocol_version: 'TLSv1_3' }, 'TLSv1.2', false],
      [{ tls_maximum_protocol_version: 'TLSv1_2' }, 'TLSv1.3', false],
      [{ tls_maximum_protocol_version: 'TLSv1_2' }, 'TLSv1.2', true],
    ];
    for (const [tls_params, version, isServed] of cases) {
      await serving(context({ tls_params }), async ({ port }) => {
        const answer = await askSecurely(port(), { minVersion: version, maxVersion: version });
        assert.deepEqual([isAnswered(answer), isServed && version], [isServed, isServed && answer.protocol], JSON.stringify(tls_params));
      });
    }
  });

  test('only the configured cipher suites are spoken', async () => {
    const tls_params = { tls_maximum_protocol_version: 'TLSv1_2', cipher_suites: ['ECDHE-ECDSA-AES256-GCM-SHA384'] };
    await serving(context({ tls_params }), async ({ port }) => {
      assert.ok(isAnswered(await askSecurely(port(), { ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' })));
      assert.equal((await askSecurely(port(), { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' })).text, '');
    });
  });

  test('the server chooses the protocol; where none fits there is none', async () => {
    const cases: readonly [string[] | undefined, string][] = [
      [['http/1.1', 'istio'], 'istio'],
      [['http/1.1'], 'http/1.1'],
      [['spdy'], ''],
      [undefined, ''],
    ];
    await serving(context({ alpn_protocols: ['istio', 'http/1.1'] }), async ({ port }) => {
      for (const [offered, chosen] of cases) {
        const answer = await askSecurely(port(), offered ? { ALPNProtocols: offered } : {});
        assert.deepEqual([answer.alpn, isAnswered(answer)], [chosen, true], String(offered));
      }
    });
  });

  test('openssl s_client gets a certificate of the chain, the protocol and its answer', async () => {
    await serving(context({ alpn_protocols: ['http/1.1'] }), async ({ port, proxy }) => {
      const client = spawn(
        'openssl',
        ['s_client', '-connect', `127.0.0.1:${port()}`, '-alpn', 'http/1.1', '-servername', 'a.test', '-ign_eof'],
        {
          stdio: ['pipe', 'pipe', 'ignore'],
        },
      );
      let said = '';
      client.stdout.on('data', (bytes: Buffer) => {
        said += bytes.toString();
      });
      client.stdin.end('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
      await once(client, 'exit');
      assert.match(said, /ALPN protocol: http\/1\.1/);
      assert.match(said, /New, TLSv1\.3, Cipher is TLS_/);
      assert.match(said, /HTTP\/1\.1 200 OK/);
      await eventually(() => assert.equal(proxy.connectionCount, 0));
    });
  });
});

describe('clients that do not mean it', () => {
  const tls: JsonObject = { common_tls_context: { tls_certificates: certificates('a.test') } };
  const HELLO_START = Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]);

  test('half ClientHellos, plaintext and garbage leave nothing behind and disturb nobody', async () => {
    await serving(tls, async ({ port, proxy }) => {
      const openings = [HELLO_START, Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(300, 0xff), Buffer.from([22]), Buffer.alloc(0)];
      const sockets = Array.from({ length: 200 }, (_, i) => {
        const socket = connect({ host: '127.0.0.1', port: port() });
        socket.on('error', () => {});
        socket.write(openings[i % openings.length] as Buffer);
        return socket;
      });
      await Promise.all(sockets.map((socket) => once(socket, 'connect')));
      assert.ok(isAnswered(await askSecurely(port())));
      for (const socket of sockets) socket.destroy();
      await eventually(() => assert.equal(proxy.connectionCount, 0));
    });
  });

  test('a client that leaves after its whole ClientHello is forgotten at once', async () => {
    const sniffer = createServer().listen(0, '127.0.0.1');
    await once(sniffer, 'listening');
    const accepted = once(sniffer, 'connection');
    const client = connectTls({ host: '127.0.0.1', port: (sniffer.address() as AddressInfo).port });
    client.on('error', () => {});
    const [raw] = (await accepted) as [Socket];
    const [hello] = (await once(raw, 'data')) as [Buffer];
    client.destroy();
    sniffer.close();
    const inspector = { name: 'tls', typed_config: any('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector') };
    for (const listener_filters of [[], [inspector]]) {
      await onStage(async ({ apply, port, proxy }) => {
        await apply({ listeners: [{ ...withTls(httpListener('in', OK), tls), listener_filters }] });
        const sockets = Array.from({ length: 50 }, () => connect({ host: '127.0.0.1', port: port() }));
        for (const socket of sockets) socket.on('error', () => {}).end(hello);
        await Promise.all(sockets.map((socket) => once(socket, 'connect')));
        await eventually(() => assert.equal(proxy.connectionCount, 0), { timeoutMs: 5000 });
        for (const socket of sockets) socket.destroy();
      });
    }
  });

  test('a handshake that does not end in time is ended', async () => {
    const listener = withTls(httpListener('in', OK), tls);
    const chains = (listener['filter_chains'] as JsonObject[]).map((chain) => ({ ...chain, transport_socket_connect_timeout: '0.2s' }));
    await onStage(async ({ apply, port }) => {
      await apply({ listeners: [{ ...listener, filter_chains: chains }] });
      const socket = connect({ host: '127.0.0.1', port: port() });
      socket.on('error', () => {});
      socket.write(HELLO_START);
      socket.resume();
      await once(socket, 'close');
    });
  });

  test('a ClientHello in single bytes is as good as one in one piece', async () => {
    await serving(tls, async ({ port }) => {
      const dripping = createServer({ noDelay: true }, (client) => {
        const raw = connect({ host: '127.0.0.1', port: port(), noDelay: true });
        for (const socket of [client, raw]) socket.on('error', () => {});
        client.on('data', (bytes: Buffer) => {
          for (const byte of bytes) raw.write(Buffer.from([byte]));
        });
        raw.pipe(client);
      }).listen(0, '127.0.0.1');
      await once(dripping, 'listening');
      assert.ok(isAnswered(await askSecurely((dripping.address() as AddressInfo).port)));
      dripping.close();
    });
  });

  test('what went wrong is counted under its name', async () => {
    const trust = {
      require_client_certificate: true,
      common_tls_context: { tls_certificates: certificates('a.test'), validation_context: { trusted_ca: { inline_string: ca.rootPem } } },
    };
    await serving(trust, async ({ port, proxy }) => {
      const listener = proxy.listeners()[0] as object;
      const { chainPem, keyPem } = createCertificateAuthority().issueWorkload('spiffe://td/ns/a/sa/b');
      await askSecurely(port());
      await askSecurely(port(), { cert: chainPem, key: keyPem });
      const stats = tlsStatsOf(listener);
      await eventually(() => assert.deepEqual([stats.fail_verify_no_cert, stats.fail_verify_error, stats.handshake], [1, 1, 0]));
    });
  });
});
