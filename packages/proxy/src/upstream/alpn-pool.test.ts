import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import test from 'node:test';
import { eventually } from '@lateen/base/testing';
import { createCertificateAuthority } from '@lateen/pki';
import { any, cluster, httpListener, routeTo } from '../testing/runtime.ts';
import { onStage, type Stage } from '../testing/stage.ts';
import { upstreamTls } from '../testing/tls.ts';
import { exchangeOnce } from '../testing/wire.ts';

// Clusters whose version of HTTP the host chooses by ALPN ("auto").

const { chainPem, keyPem } = createCertificateAuthority().issueWorkload('spiffe://td/ns/a/sa/server');
const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const AUTO = { typed_extension_protocol_options: { [OPTIONS]: any(OPTIONS, { auto_config: {} }) } };
const GET = 'GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n';

type Choice = 'h2' | 'http/1.1' | undefined;

/** A server that chooses as told, answers with the version that it was asked by, and can drop its connections. */
class ChoosingServer {
  choice: Choice;
  readonly offered: string[][] = [];
  connections = 0;
  private readonly server: Http2SecureServer;
  private readonly sockets = new Set<Socket>();
  private readonly sessions = new Set<ServerHttp2Session>();

  constructor(choice: Choice) {
    this.choice = choice;
    const ALPNCallback = ({ protocols }: { protocols: string[] }) => {
      this.offered.push(protocols);
      return this.choice;
    };
    this.server = createSecureServer({ cert: chainPem, key: keyPem, allowHTTP1: true, ALPNCallback }, (request, response) => {
      response.end(`by ${request.httpVersion}`);
    });
    this.server.on('secureConnection', (socket) => {
      this.connections++;
      socket.on('error', () => {});
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    this.server.on('session', (session) => {
      session.on('error', () => {});
      this.sessions.add(session);
      session.on('close', () => this.sessions.delete(session));
    });
    this.server.on('tlsClientError', () => {});
    this.server.on('sessionError', () => {});
  }

  async start(): Promise<number> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  drop(): void {
    for (const session of this.sessions) session.destroy();
    for (const socket of this.sockets) socket.destroy();
  }

  close(): void {
    this.drop();
    this.server.close();
  }
}

async function withServer(choice: Choice, run: (server: ChoosingServer, stage: Stage) => Promise<void>): Promise<void> {
  const server = new ChoosingServer(choice);
  const port = await server.start();
  try {
    await onStage(async (stage) => {
      const clusters = [cluster('up', [port], { transport_socket: upstreamTls({}), ...AUTO })];
      await stage.apply({ listeners: [httpListener('in', [routeTo('up')])], clusters });
      await run(server, stage);
    });
  } finally {
    server.close();
  }
}

const idleConnections = ({ proxy }: Stage): number => proxy.clusters()[0]!.stats.upstream_cx_active;

for (const [choice, version] of [
  ['h2', '2.0'],
  ['http/1.1', '1.1'],
] as const) {
  test(`a host that chooses ${choice} is asked by HTTP ${version}, all on the connection that asked it`, async () => {
    await withServer(choice, async (server, stage) => {
      for (let i = 0; i < 3; i++) assert.match(await exchangeOnce(stage.port(), GET), new RegExp(`by ${version}`));
      assert.deepEqual(server.offered, [['h2', 'http/1.1']]);
      assert.equal(server.connections, 1);
    });
  });

  test(`requests that wait for the first choice of ${choice} are all served`, async () => {
    await withServer(choice, async (_server, stage) => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => exchangeOnce(stage.port(), GET)));
      for (const answer of answers) assert.match(answer, new RegExp(`by ${version}`));
      assert.equal(stage.proxy.clusters()[0]!.breakers.default.pending, 0);
    });
  });
}

test('when its connections are gone the host is asked again: it may choose otherwise', async () => {
  await withServer('h2', async (server, stage) => {
    for (const [choice, version] of [
      ['h2', '2.0'],
      ['http/1.1', '1.1'],
      ['h2', '2.0'],
    ] as const) {
      server.choice = choice;
      assert.match(await exchangeOnce(stage.port(), GET), new RegExp(`by ${version}`));
      server.drop();
      await eventually(() => assert.equal(idleConnections(stage), 0));
    }
  });
});

test('a host that takes neither version fails the request; the next one asks again', async () => {
  await withServer(undefined, async (server, stage) => {
    assert.match(await exchangeOnce(stage.port(), GET), /^HTTP\/1\.1 503 /);
    assert.match(stage.log[0] ?? '', /^503 UF /);
    server.choice = 'h2';
    assert.match(await exchangeOnce(stage.port(), GET), /by 2\.0/);
  });
});
